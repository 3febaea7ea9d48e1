package front

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlined is a writer of net/http that counts the deadlines it is given.
type deadlined struct {
	*httptest.ResponseRecorder
	deadlines int
}

func (d *deadlined) SetWriteDeadline(time.Time) error {
	d.deadlines++
	return nil
}

func (d *deadlined) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

// A timer that is stopped too late finds an answer that is another's, or nothing at all.
func TestForeign_TakesNoDeadlineWhenTheAnswerIsOver(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"returned": func(http.ResponseWriter, *http.Request) {},
		"panicked": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"taken over": func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now()); err == nil {
				t.Error("a deadline is set for a connection that was taken over")
			}
		},
	} {
		inner := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		var given http.ResponseWriter
		served := (&Server{}).watchOver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			given = w
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now()); err != nil || inner.deadlines != 1 {
				t.Errorf("%s: %d deadlines are set before, %v", name, inner.deadlines, err)
			}
			handler(w, r)
		}))
		func() {
			defer func() { _ = recover() }()
			served.ServeHTTP(inner, httptest.NewRequest("GET", "/", nil))
		}()
		if err := http.NewResponseController(given).SetWriteDeadline(time.Now()); err == nil || inner.deadlines != 1 {
			t.Errorf("%s: %d deadlines are set, %v", name, inner.deadlines, err)
		}
	}
}

// The client has all of the answer, and the handler is gone: whoever comes now must not
// end the program.
func TestForeign_ALateDeadlineOfHTTP2DoesNoHarm(t *testing.T) {
	t.Parallel()
	writers := make(chan http.ResponseWriter, 1)
	_, address := start(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("hello"))
		writers <- w
	})
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &only}
	defer transport.CloseIdleConnections()
	for range 20 {
		answer, err := (&http.Client{Transport: transport}).Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		_ = http.NewResponseController(<-writers).SetWriteDeadline(time.Now())
	}
}
