package compat_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"faas-docker/proxy/compat"
)

func ExampleReverseProxy() {
	backendServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "this call was relayed by the reverse proxy")
	}))
	defer backendServer.Close()

	rpURL, err := url.Parse(backendServer.URL)
	if err != nil {
		log.Fatal(err)
	}
	frontendProxy := httptest.NewServer(compat.NewSingleHostReverseProxy(rpURL))
	defer frontendProxy.Close()

	resp, err := http.Get(frontendProxy.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", b)
	// Output: this call was relayed by the reverse proxy
}

// The function Proxy answers some requests itself, and sends the others where it likes.
func ExampleReverseProxy_proxy() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "backend sees", r.URL, "for", r.Header.Get("X-Tenant"))
	}))
	defer backend.Close()
	proxy := &compat.ReverseProxy{Proxy: func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/health" {
			fmt.Fprintln(w, "ok")
			return compat.ErrHandled
		}
		r.URL.Scheme, r.URL.Host = "http", backend.Listener.Addr().String()
		r.Header.Set("X-Tenant", "a")
		return nil
	}}
	for _, path := range []string{"/health", "/shop?item=1"} {
		w := httptest.NewRecorder()
		proxy.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Print(w.Body)
	}
	// Output:
	// ok
	// backend sees /shop?item=1 for a
}

// Two requests are written before the first answer is read.
func ExampleClientConn() {
	near, far := connected()
	go answer(compat.NewServerConn(far, nil))

	client := compat.NewClientConn(near, nil)
	var sent []*http.Request
	for _, path := range []string{"/one", "/two"} {
		r, err := http.NewRequest("GET", "http://example.com"+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := client.Write(r); err != nil {
			log.Fatal(err)
		}
		sent = append(sent, r)
	}
	fmt.Println("pending:", client.Pending())
	for _, r := range sent {
		answer, err := client.Read(r)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		fmt.Printf("%s\n", body)
	}
	fmt.Println("pending:", client.Pending())
	conn, _ := client.Hijack()
	conn.Close()
	// Output:
	// pending: 2
	// answer to /one
	// answer to /two
	// pending: 0
}

// answer answers requests until the client ends the connection.
func answer(server *compat.ServerConn) {
	defer server.Close()
	for {
		r, err := server.Read()
		if err != nil {
			return
		}
		body := "answer to " + r.URL.Path
		err = server.Write(r, &http.Response{
			StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1,
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		})
		if err != nil {
			return
		}
	}
}

// connected returns both ends of a connection.
func connected() (near, far net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	if near, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		log.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		log.Fatal(err)
	}
	return near, far
}
