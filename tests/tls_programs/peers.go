// HTTP/2 over crypto/tls: `serve CERTIFICATE KEY` prints its port, `call PORT COUNT` posts on one connection.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
)

const path = "/nausf-auth/v1/ue-authentications"

var body = bytes.Repeat([]byte(`{"supiOrSuci":"imsi-001010000000001"}`), 61)

func serve(certificate, key string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("content-type", "application/json")
		w.WriteHeader(201)
		w.Write(body)
	})
	panic(http.ServeTLS(listener, handler, certificate, key))
}

func call(port string, count int) {
	settings := &tls.Config{InsecureSkipVerify: true}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}
	for i := 0; i < count; i++ {
		answer, err := client.Post("https://127.0.0.1:"+port+path, "application/json", bytes.NewReader(body))
		if err != nil || answer.StatusCode != 201 || answer.ProtoMajor != 2 {
			panic(fmt.Sprint(err, answer))
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	client.CloseIdleConnections()
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3])
	}
	count, _ := strconv.Atoi(os.Args[3])
	call(os.Args[2], count)
}
