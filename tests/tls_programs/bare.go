// TLS by nothing but Read and Write: `serve CERTIFICATE KEY` prints its port and says what it hears, `call PORT COUNT`
// speaks on so many connections. The first of the two calls makes the handshake. What is read stands on stacks of
// goroutines that have just begun: they grow within the first Read, and so are moved.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
)

const said = 1009 // octets, of which a Read takes 512

func text(number int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("connection %d says: ", number)), said)[:said]
}

func heard(link *tls.Conn) []byte {
	var part [512]byte
	n, err := link.Read(part[:])
	if err != nil {
		return nil
	}
	return append([]byte(nil), part[:n]...)
}

func answer(link *tls.Conn) {
	for {
		octets := heard(link)
		if octets == nil {
			return
		}
		link.Write(octets)
	}
}

func serve(certificate, key string) {
	identity, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		link, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go answer(tls.Server(link, &tls.Config{Certificates: []tls.Certificate{identity}}))
	}
}

func ask(port string, number int, done chan<- bool) {
	plain, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	link := tls.Client(plain, &tls.Config{InsecureSkipVerify: true})
	link.Write(text(number))
	var got []byte
	for len(got) < said {
		octets := heard(link)
		if octets == nil {
			break
		}
		got = append(got, octets...)
	}
	link.Close()
	done <- bytes.Equal(got, text(number))
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3])
	}
	count, _ := strconv.Atoi(os.Args[3])
	done := make(chan bool)
	for number := 0; number < count; number++ {
		go ask(os.Args[2], number, done)
		if !<-done {
			panic("another answer")
		}
	}
}
