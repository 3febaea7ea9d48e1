package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/engine/enginetest"
)

func TestSizes_EachVariableHasItsEffect(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), map[string]string{
		"max_request_header": "16Ki", "max_request_body": "1Mi", "stall_timeout": "1s",
	})
	path := h.echo(t)

	t.Run("max_request_header", func(t *testing.T) {
		for size, want := range map[int]int{12 << 10: http.StatusOK, 24 << 10: http.StatusRequestHeaderFieldsTooLarge} {
			r := request{method: http.MethodGet, path: path, header: map[string]string{"X-Filler": strings.Repeat("x", size)}}
			if got := h.do(t, r).StatusCode; got != want {
				t.Errorf("%d bytes: got %d, want %d", size, got, want)
			}
		}
	})
	t.Run("max_request_body", func(t *testing.T) {
		post := func(path string, size int, want int) {
			t.Helper()
			if got := h.do(t, request{method: http.MethodPost, path: path, body: strings.Repeat("x", size)}).StatusCode; got != want {
				t.Errorf("%d bytes to %s: got %d, want %d", size, path, got, want)
			}
		}
		post(path, 1<<20, http.StatusOK)
		post(path, 1<<20+1, http.StatusRequestEntityTooLarge)
		for own, size := range map[string]int{"2Mi": 2 << 20, "0": 3 << 20} {
			spec := h.spec(t, "echo")
			spec.Labels = &map[string]string{"com.openfaas.call.max_request_body": own}
			h.deploy(t, spec)
			post("/function/"+spec.Service, size, http.StatusOK)
		}
	})
	t.Run("stall_timeout", func(t *testing.T) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(soon))
		// It asks again and again, and reads nothing: a write fails when it has been cut.
		body := strings.Repeat("x", 1<<20)
		for err == nil {
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
		}
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Error("the client was not cut")
		}
		_, _ = io.Copy(io.Discard, conn)
	})
}
