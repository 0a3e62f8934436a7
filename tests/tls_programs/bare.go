// TLS by nothing but Read and Write: `serve CERTIFICATE KEY` prints its port and says what it hears, `call PORT COUNT`
// speaks on so many connections, `panic PORT` twice on one, where a Read between ends by a panic. The first of the two
// calls makes the handshake. What is read stands on stacks of goroutines that have just begun: they grow within the
// first Read, and so are moved.
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

// A connection whose Read panics once it shall.
type fragile struct{ *net.TCPConn }

var shall bool

func (f fragile) Read(octets []byte) (int, error) {
	if shall {
		panic("as it shall")
	}
	return f.TCPConn.Read(octets)
}

func dial(port string) *tls.Conn {
	plain, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	return tls.Client(fragile{plain.(*net.TCPConn)}, &tls.Config{InsecureSkipVerify: true})
}

func speak(link *tls.Conn, number int) bool {
	link.Write(text(number))
	var got []byte
	for len(got) < said {
		octets := heard(link)
		if octets == nil {
			break
		}
		got = append(got, octets...)
	}
	return bytes.Equal(got, text(number))
}

func ask(port string, number int, done chan<- bool) {
	link := dial(port)
	answered := speak(link, number)
	link.Close()
	done <- answered
}

func askOverPanic(port string) bool {
	link := dial(port)
	before := speak(link, 0)
	func() {
		defer func() { recover() }()
		shall = true
		heard(link)
	}()
	shall = false
	after := speak(link, 1)
	link.Close()
	return before && after
}

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2], os.Args[3])
	case "panic":
		if !askOverPanic(os.Args[2]) {
			panic("another answer")
		}
	case "call":
		count, _ := strconv.Atoi(os.Args[3])
		done := make(chan bool)
		for number := 0; number < count; number++ {
			go ask(os.Args[2], number, done)
			if !<-done {
				panic("another answer")
			}
		}
	}
}
