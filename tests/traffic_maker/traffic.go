// Plays exchanges over HTTP/2 between Go's own client and server, and writes down what it played.
//
//	traffic serve                        prints the port; serves until its standard input ends
//	traffic call -port P [-connections N] [-rate R] [-count N] [-log FILE]
//
// Both take -exchanges FILE: JSON, an array of {method, path, status, request_bytes, response_bytes, consumer}; in a
// path, {n} becomes the exchange's number. Exchange n is the array's element n modulo its length. With -rate, request n
// goes out at n/R seconds, however late the answers are; without, each connection sends as fast as it is answered.
// -cert and -key (serve), -tls (call): over TLS.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type exchange struct {
	Method        string `json:"method"`
	Path          string `json:"path"`
	Status        int    `json:"status"`
	RequestBytes  int    `json:"request_bytes"`
	ResponseBytes int    `json:"response_bytes"`
	Consumer      string `json:"consumer"`
}

type played struct {
	Number     int    `json:"number"`
	ClientPort int    `json:"client_port"`
	Method     string `json:"method"`
	Path       string `json:"path"`
	Status     int    `json:"status"`
	Bytes      int    `json:"response_bytes"`
	LatencyUs  int64  `json:"latency_us"`
	Error      string `json:"error,omitempty"`
}

func load(path string) []exchange {
	var found []exchange
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil || len(found) == 0 {
		fmt.Fprintln(os.Stderr, "no exchanges:", path, err)
		os.Exit(1)
	}
	return found
}

// JSON of exactly so many bytes; blanks where there is no room for an object.
func body(size int) []byte {
	if size < 8 {
		return bytes.Repeat([]byte(" "), size)
	}
	return []byte(`{"v":"` + strings.Repeat("x", size-8) + `"}`)
}

func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	p.SetHTTP2(true)
	return p
}

func serve(exchanges []exchange, cert, key string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	bodies := map[int][]byte{}
	for _, one := range exchanges {
		bodies[one.ResponseBytes] = body(one.ResponseBytes)
	}
	answer := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		number, _ := strconv.Atoi(r.Header.Get("x-exchange"))
		one := exchanges[number%len(exchanges)]
		w.Header().Set("server", "nf")
		if one.ResponseBytes > 0 {
			w.Header().Set("content-type", "application/json")
			w.Header().Set("content-length", strconv.Itoa(one.ResponseBytes))
		}
		w.WriteHeader(one.Status)
		w.Write(bodies[one.ResponseBytes])
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), Protocols: protocols()}
	go func() {
		if cert != "" {
			server.ServeTLS(listener, cert, key)
		} else {
			server.Serve(listener)
		}
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	io.Copy(io.Discard, os.Stdin)
}

type caller struct {
	exchanges []exchange
	base      string
	bodies    map[int][]byte
	log       *json.Encoder
	lock      sync.Mutex
	failed    int
}

func (c *caller) call(client *http.Client, number int) {
	one := c.exchanges[number%len(c.exchanges)]
	path := strings.ReplaceAll(one.Path, "{n}", fmt.Sprintf("%010d", number))
	said := played{Number: number, Method: one.Method, Path: path}
	request, _ := http.NewRequest(one.Method, c.base+path, bytes.NewReader(c.bodies[one.RequestBytes]))
	request.Header.Set("user-agent", one.Consumer)
	request.Header.Set("x-exchange", strconv.Itoa(number))
	if one.RequestBytes > 0 {
		request.Header.Set("content-type", "application/json")
	}
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		said.ClientPort = got.Conn.LocalAddr().(*net.TCPAddr).Port
	}}
	began := time.Now()
	response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err == nil {
		var size int64
		size, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		said.Status, said.Bytes = response.StatusCode, int(size)
	}
	said.LatencyUs = time.Since(began).Microseconds()
	c.lock.Lock()
	defer c.lock.Unlock()
	if err != nil {
		said.Error = err.Error()
		c.failed++
	}
	c.log.Encode(said)
}

func (c *caller) run(clients []*http.Client, rate float64, count int) {
	var all sync.WaitGroup
	if rate <= 0 {
		for i, client := range clients {
			all.Add(1)
			go func() {
				defer all.Done()
				for number := i; number < count; number += len(clients) {
					c.call(client, number)
				}
			}()
		}
		all.Wait()
		return
	}
	began := time.Now()
	for number := range count {
		time.Sleep(time.Until(began.Add(time.Duration(float64(number) / rate * 1e9))))
		all.Add(1)
		go func() {
			defer all.Done()
			c.call(clients[number%len(clients)], number)
		}()
	}
	all.Wait()
}

func main() {
	flags := flag.NewFlagSet("traffic", flag.ExitOnError)
	file := flags.String("exchanges", "", "JSON file of exchanges")
	port := flags.Int("port", 0, "call: the server's port")
	connections := flags.Int("connections", 1, "call: how many")
	rate := flags.Float64("rate", 0, "call: requests a second in all; 0 = as fast as answered")
	count := flags.Int("count", 1, "call: requests in all")
	log := flags.String("log", "/dev/null", "call: JSON lines of what was played")
	secure := flags.Bool("tls", false, "call: over TLS, certificate not checked")
	cert := flags.String("cert", "", "serve: certificate, then over TLS")
	key := flags.String("key", "", "serve: its key")
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "traffic serve|call ...")
		os.Exit(1)
	}
	flags.Parse(os.Args[2:])
	exchanges := load(*file)
	if os.Args[1] == "serve" {
		serve(exchanges, *cert, *key)
		return
	}
	out, err := os.Create(*log)
	if err != nil {
		panic(err)
	}
	written := bufio.NewWriter(out)
	c := &caller{exchanges: exchanges, bodies: map[int][]byte{}, log: json.NewEncoder(written)}
	c.base = fmt.Sprintf("http://127.0.0.1:%d", *port)
	if *secure {
		c.base = fmt.Sprintf("https://127.0.0.1:%d", *port)
	}
	for _, one := range exchanges {
		c.bodies[one.RequestBytes] = body(one.RequestBytes)
	}
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(!*secure)
	p.SetHTTP2(*secure)
	clients := make([]*http.Client, *connections)
	for i := range clients { // a transport of its own: a connection of its own
		clients[i] = &http.Client{Transport: &http.Transport{
			Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true,
		}}
	}
	c.run(clients, *rate, *count)
	written.Flush()
	if c.failed > 0 {
		fmt.Fprintln(os.Stderr, c.failed, "exchanges failed")
		os.Exit(1)
	}
}
