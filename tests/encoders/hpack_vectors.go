// Writes header blocks as Go's net/http encodes them, one connection: requests over HTTP/2 without TLS to a server of
// the same library, both directions recorded by a relay on the socket.
//
//	go run hpack_vectors.go SEED REQUESTS  >  hex lines: "> octets" from the client, "< octets" from the server
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

type recorded struct {
	net.Conn
	mutex *sync.Mutex
	out   *bufio.Writer
}

func (conn recorded) note(mark string, octets []byte) {
	conn.mutex.Lock()
	defer conn.mutex.Unlock()
	fmt.Fprintf(conn.out, "%s %s\n", mark, hex.EncodeToString(octets))
}

func (conn recorded) Read(octets []byte) (int, error) {
	count, err := conn.Conn.Read(octets)
	if count > 0 {
		conn.note("<", octets[:count])
	}
	return count, err
}

func (conn recorded) Write(octets []byte) (int, error) {
	conn.note(">", octets)
	return conn.Conn.Write(octets)
}

func protocols() *http.Protocols {
	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	return only
}

func serve(listener net.Listener) {
	answer := func(writer http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		writer.Header().Set("Content-Type", "application/json")
		if request.Method == http.MethodPost {
			writer.Header().Set("Location", "http://smf.5gc"+request.URL.Path+"/1")
			writer.WriteHeader(http.StatusCreated)
		}
		if request.Method != http.MethodDelete {
			io.WriteString(writer, `{"supi":"imsi-001010000000001"}`)
			return
		}
		writer.WriteHeader(http.StatusNoContent)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), Protocols: protocols()}
	server.Serve(listener)
}

func main() {
	seed, _ := strconv.ParseInt(os.Args[1], 10, 64)
	count, _ := strconv.Atoi(os.Args[2])
	chance := rand.New(rand.NewSource(seed))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go serve(listener)
	out := bufio.NewWriter(os.Stdout)
	mutex := new(sync.Mutex)
	dial := func(network, _ string) (net.Conn, error) {
		conn, err := net.Dial(network, listener.Addr().String())
		return recorded{conn, mutex, out}, err
	}
	client := &http.Client{Transport: &http.Transport{Dial: dial, Protocols: protocols()}}
	methods := []string{"GET", "POST", "PUT", "DELETE", "PATCH"}
	for number := 0; number < count; number++ {
		method := methods[chance.Intn(len(methods))]
		path := fmt.Sprintf("/nudm-sdm/v2/imsi-00101%010d/am-data", chance.Intn(1000000))
		if chance.Intn(5) == 0 {
			method, path = "PATCH", "/nnrf-nfm/v1/nf-instances/54804518-4191-46b3-955c-ac631f953ed8"
		}
		var body io.Reader
		if method == "POST" || method == "PUT" || method == "PATCH" {
			body = strings.NewReader(`{"dnn":"internet"}`)
		}
		request, _ := http.NewRequest(method, "http://udm.5gc:80"+path, body)
		request.Header.Set("User-Agent", "AMF")
		request.Header.Set("3gpp-Sbi-Sender-Timestamp", fmt.Sprintf("Sun, 22 Nov 2026 21:17:55.%03d GMT", number%1000))
		request.Header.Set("3gpp-Sbi-Max-Rsp-Time", "10000")
		request.Header.Set("3gpp-Sbi-Message-Priority", strconv.Itoa(chance.Intn(32)))
		answer, err := client.Do(request)
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	mutex.Lock()
	out.Flush()
}
