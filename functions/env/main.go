// Command env is a sample function that shows its
// environment, one variable a line, and at /secrets/<name> the content of one
// secret. It would be unwise to deploy it where strangers can call it.
package main

import (
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// secretsFolder is where OpenFaaS puts the secrets of a function.
const secretsFolder = "/var/openfaas/secrets"

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() { log.Fatal(http.ListenAndServe(address(), handler(os.DirFS(secretsFolder)))) }()
	<-stop
}

// address is where the function listens: port 8080, unless the variable "port"
// names another.
func address() string {
	if port := os.Getenv("port"); port != "" {
		return ":" + port
	}
	return ":8080"
}

func handler(secrets fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", environment)
	mux.HandleFunc("/secrets/{name}", func(w http.ResponseWriter, r *http.Request) {
		secret(w, secrets, r.PathValue("name"))
	})
	return mux
}

func environment(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, variable := range slices.Sorted(slices.Values(os.Environ())) {
		fmt.Fprintln(w, variable)
	}
}

// secret reads the file anew each time, so that a secret that was updated shows.
func secret(w http.ResponseWriter, secrets fs.FS, name string) {
	value, err := fs.ReadFile(secrets, name)
	if err != nil {
		http.Error(w, fmt.Sprintf("secret %q: %v", name, err), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(value)
}
