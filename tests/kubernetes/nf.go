// An NF-like program for pods, HTTP/2 by Go's own client and server; also what holds a pod's namespaces.
//
//	nf pause                    does nothing until it is ended
//	nf serve PORT [tls]         answers GET /nnrf-nfm/v1/nf-instances/ID
//	nf call HOST:PORT [tls]     on one connection; reads lines "RUN COUNT PAUSE_MS", asks COUNT instances of that run one
//	                            after the other, says how many were answered as they should be
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const prefix = "/nnrf-nfm/v1/nf-instances/"

func protocols(secure bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(!secure)
	p.SetHTTP2(secure)
	return p
}

func certificate() tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}
}

func answer(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("content-type", "application/json")
	fmt.Fprintf(w, `{"nfInstanceId":"%s","nfType":"UDM","nfStatus":"REGISTERED"}`, r.URL.Path[len(prefix):])
}

func serve(port string, secure bool) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(prefix, answer)
	settings := &tls.Config{Certificates: []tls.Certificate{}, NextProtos: []string{"h2"}}
	server := &http.Server{Handler: mux, Protocols: protocols(secure), TLSConfig: settings}
	if secure {
		settings.Certificates = append(settings.Certificates, certificate())
		panic(server.ServeTLS(listener, "", ""))
	}
	panic(server.Serve(listener))
}

func call(address string, secure bool) {
	scheme := map[bool]string{false: "http", true: "https"}[secure]
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		Protocols: protocols(secure), TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var run, count, pause, good int
		fmt.Sscan(lines.Text(), &run, &count, &pause)
		for number := range count {
			path := fmt.Sprintf("%s%08x-0000-4000-8000-%012x", prefix, run, number)
			response, err := client.Get(scheme + "://" + address + path)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				continue
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode == 200 && response.ProtoMajor == 2 {
				good++
			}
			time.Sleep(time.Duration(pause) * time.Millisecond)
		}
		fmt.Println(good)
	}
	client.CloseIdleConnections()
}

func main() {
	secure := len(os.Args) > 3
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2], secure)
	case "call":
		call(os.Args[2], secure)
	default:
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
		<-ended
	}
}
