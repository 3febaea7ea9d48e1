package interop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"faas-docker/proxy"
)

const largeMessage = 16 << 20

// socketFunction echoes messages in fragments. A message "close" makes it close
// with 4001; how a client closed goes to closed.
func socketFunction(options *websocket.AcceptOptions, closed chan<- websocket.CloseError) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			kind, message, err := c.Read(r.Context())
			var end websocket.CloseError
			if errors.As(err, &end) && closed != nil {
				closed <- end
			}
			if err != nil {
				return
			}
			if string(message) == "close" {
				c.Close(4001, "as you wish")
				return
			}
			if writeFragments(r.Context(), c, kind, message) != nil {
				return
			}
		}
	}
}

// writeFragments sends a message in three frames, or in many.
func writeFragments(ctx context.Context, c *websocket.Conn, kind websocket.MessageType, message []byte) error {
	w, err := c.Writer(ctx, kind)
	if err != nil {
		return err
	}
	for piece := max(1, min(len(message)/3, 1<<20)); len(message) > 0; message = message[min(piece, len(message)):] {
		if _, err := w.Write(message[:min(piece, len(message))]); err != nil {
			return err
		}
	}
	return w.Close()
}

// connect opens a WebSocket to a function, through a handler.
func connect(t *testing.T, mode websocket.CompressionMode, closed chan<- websocket.CloseError) (*proxy.Handler, *websocket.Conn, *http.Response, string) {
	t.Helper()
	h := newHandler(t)
	deploy(t, h, "echo", serve(t, socketFunction(&websocket.AcceptOptions{CompressionMode: mode, Subprotocols: []string{"b"}}, closed)))
	url := "ws://" + serve(t, h) + "/function/echo/any/path?x=y"
	c, answer, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{CompressionMode: mode, Subprotocols: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(-1)
	return h, c, answer, url
}

func TestWebSocket_FragmentsCompressionAndLargeMessages(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]websocket.CompressionMode{
		"plain": websocket.CompressionDisabled, "compressed": websocket.CompressionContextTakeover,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, c, answer, _ := connect(t, mode, nil)
			if agreed := strings.Contains(answer.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate"); agreed != (mode != websocket.CompressionDisabled) {
				t.Errorf("extensions %q", answer.Header)
			}
			if c.Subprotocol() != "b" {
				t.Errorf("subprotocol %q", c.Subprotocol())
			}
			for _, size := range []int{0, 1, 125, 126, 65535, 65536, largeMessage} {
				sent := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
				if err := writeFragments(ctx, c, websocket.MessageBinary, sent); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				kind, got, err := c.Read(ctx)
				if err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, sent) {
					t.Fatalf("%d bytes: got %v of %d bytes, %v", size, kind, len(got), err)
				}
			}
		})
	}
}

func TestWebSocket_PingsAndTextPass(t *testing.T) {
	t.Parallel()
	_, c, _, _ := connect(t, websocket.CompressionDisabled, nil)
	reader := make(chan string, 1)
	go func() {
		_, message, _ := c.Read(t.Context())
		reader <- string(message)
	}()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := c.Ping(ctx); err != nil {
			t.Errorf("ping: %v", err)
		}
		cancel()
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("grüße")); err != nil {
		t.Fatal(err)
	}
	if got := <-reader; got != "grüße" {
		t.Errorf("got %q", got)
	}
}

func TestWebSocket_CloseCodesPassBothWays(t *testing.T) {
	t.Parallel()
	closed := make(chan websocket.CloseError, 1)
	_, c, _, _ := connect(t, websocket.CompressionDisabled, closed)
	if err := c.Close(4321, "enough"); err != nil {
		t.Errorf("close: %v", err)
	}
	if end := <-closed; end.Code != 4321 || end.Reason != "enough" {
		t.Errorf("the function saw %+v", end)
	}
	_, c, _, _ = connect(t, websocket.CompressionDisabled, nil)
	if err := c.Write(t.Context(), websocket.MessageText, []byte("close")); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.Read(t.Context())
	var end websocket.CloseError
	if !errors.As(err, &end) || end.Code != 4001 || end.Reason != "as you wish" {
		t.Errorf("the client saw %v", err)
	}
}

func TestWebSocket_ShutdownWaitsAndThenCuts(t *testing.T) {
	t.Parallel()
	h, c, _, url := connect(t, websocket.CompressionDisabled, nil)
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(t.Context()) }()
	for refused := false; !refused; {
		other, _, err := websocket.Dial(t.Context(), url, nil)
		if err == nil {
			// Shutdown has not begun; what it finds open it waits for.
			_, _, err = other.Read(canceled(t))
			other.CloseNow()
			refused = errors.Is(err, io.EOF)
			continue
		}
		refused = true
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("still there")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(t.Context()); string(got) != "still there" {
		t.Errorf("got %q, %v", got, err)
	}
	c.Close(websocket.StatusNormalClosure, "")
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}

	h, c, _, _ = connect(t, websocket.CompressionDisabled, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown without patience: %v", err)
	}
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the connection was not cut")
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
