// Command stock is the proxy that faas-provider gives every OpenFaaS provider, on
// the routes of its bootstrap, for the benchmark to compare with.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"
	"github.com/openfaas/faas-provider/proxy"
	"github.com/openfaas/faas-provider/types"
)

const timeout = time.Minute

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	upstream := flag.String("upstream", "", "address of the function")
	flag.Parse()
	server := &http.Server{
		Addr:         *listen,
		Handler:      handler(url.URL{Scheme: "http", Host: *upstream}),
		ReadTimeout:  timeout,
		WriteTimeout: timeout,
	}
	log.Fatal(server.ListenAndServe())
}

// handler mounts the proxy as bootstrap.Serve does, which cannot be used itself:
// it binds every address.
func handler(target url.URL) http.Handler {
	config := types.FaaSConfig{ReadTimeout: timeout, WriteTimeout: timeout}
	invoke := proxy.NewHandlerFunc(config, one(target), false)
	router := mux.NewRouter()
	for _, path := range []string{"", "/", "/{params:.*}"} {
		router.HandleFunc("/function/{name:[-a-zA-Z_0-9.]+}"+path, invoke)
	}
	return router
}

// one resolves every name to the same function.
type one url.URL

// Resolve returns the function's address.
func (o one) Resolve(string) (url.URL, error) { return url.URL(o), nil }
