package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/wire/wiretest"
)

// serveBoth runs a handler as a server that speaks HTTP/1 and HTTP/2 without TLS.
func serveBoth(t testing.TB, h http.Handler) string {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, Protocols: &protocols}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// http2Client speaks HTTP/2 without TLS and nothing else.
func http2Client(t *testing.T) *http.Client {
	t.Helper()
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &only}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// http2Figlet is figlet, which speaks HTTP/1, behind a server that speaks HTTP/2.
func http2Figlet(t *testing.T, f http.HandlerFunc) (base string, client *http.Client) {
	t.Helper()
	h := newHandler(t)
	deploy(t, h, "figlet", serve(t, f))
	return "http://" + serveBoth(t, h) + "/function/figlet", http2Client(t)
}

func TestHTTP2_CarriesBodiesAndTrailers(t *testing.T) {
	t.Parallel()
	base, client := http2Figlet(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.Copy(w, r.Body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sum"))
	})
	r, _ := http.NewRequestWithContext(t.Context(), "POST", base, io.MultiReader(strings.NewReader("hello")))
	r.Trailer = http.Header{"X-Sum": {"7"}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "hello" || answer.ProtoMajor != 2 || answer.Trailer.Get("X-Sum") != "7" {
		t.Errorf("got %s %q, trailers %v, %v", answer.Proto, body, answer.Trailer, err)
	}
}

func TestHTTP2_AFunctionThatDiesMidBodyResetsTheStream(t *testing.T) {
	t.Parallel()
	base, client := http2Figlet(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	r, _ := http.NewRequestWithContext(t.Context(), "GET", base, nil)
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("read %q to a clean end", body)
	}
}

func TestHTTP2_EarlyRefusalArrivesWhileUploading(t *testing.T) {
	t.Parallel()
	base, client := http2Figlet(t, func(w http.ResponseWriter, _ *http.Request) {
		// Without it the function's own server reads the body first.
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	reader, writer := io.Pipe()
	defer writer.Close()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", base, reader)
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", answer.StatusCode)
	}
}

// speaks is a policy that names a protocol.
func speaks(protocol string) func(function.Name) function.CallPolicy {
	return func(function.Name) function.CallPolicy { return function.CallPolicy{Protocol: protocol} }
}

func TestH2C_CarriesAnyCallToAFunctionThatSpeaksIt(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.Policy = speaks(function.ProtocolH2C)
	name := deploy(t, h, "figlet", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s %s %s ", r.Proto, r.Host, r.RequestURI, r.Header.Get("X-Forwarded-For"))
		io.Copy(w, r.Body)
		w.Header().Set("X-Sum", "7")
	})))
	address := serveBoth(t, h)
	for _, client := range []*http.Client{http.DefaultClient, http2Client(t)} {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/function/figlet//a%2Fb?", strings.NewReader("hello"))
		r.Host = "fns.example.com"
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if want := "HTTP/2.0 fns.example.com //a%2Fb? 127.0.0.1 hello"; err != nil || string(body) != want {
			t.Errorf("got %q, %v; want %q", body, err, want)
		}
		if answer.Trailer.Get("X-Sum") != "7" {
			t.Errorf("%s: trailers %v, header %v", answer.Proto, answer.Trailer, answer.Header)
		}
	}
	if load := h.Resolver.Load(name); load.InFlight != 0 {
		t.Errorf("%d invocations are still counted", load.InFlight)
	}
}

func TestH2C_FailuresHaveTheirStatus(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.Timeout = 50 * time.Millisecond
	h.Policy = speaks(function.ProtocolH2C)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	deploy(t, h, "dead", wiretest.Vacant(t, "127.0.0.1").String())
	deploy(t, h, "plain", rawFunction(t, func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }))
	deploy(t, h, "silent", serveBoth(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
	address := serve(t, h)
	for name, code := range map[string]int{"dead": 502, "plain": 502, "silent": 504} {
		for _, body := range []string{"", "hello"} {
			readmit(h, name)
			if answer, text := fetch(t, "POST", "http://"+address+"/function/"+name, strings.NewReader(body)); answer.StatusCode != code {
				t.Errorf("%s: got %d %q, want %d", name, answer.StatusCode, text, code)
			}
		}
	}
}

// readmit puts a suspect into rotation again, as the fleet does with one that
// answers.
func readmit(h *Handler, name string) {
	id := function.ParseName(name, function.DefaultNamespace)
	for _, m := range h.Resolver.Members(id) {
		h.Resolver.MarkReady(id, m.ID)
	}
}

func TestH2C_StreamsAtOnceBothWays(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.Timeout = 100 * time.Millisecond
	h.Policy = speaks(function.ProtocolH2C)
	deploy(t, h, "figlet", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buffer := make([]byte, 100)
		for {
			n, err := r.Body.Read(buffer)
			w.Write(buffer[:n])
			http.NewResponseController(w).Flush()
			if err != nil {
				return
			}
		}
	})))
	reader, writer := io.Pipe()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+serveBoth(t, h)+"/function/figlet", reader)
	// The client may be silent for longer than the function may think.
	time.AfterFunc(200*time.Millisecond, func() { io.WriteString(writer, "ping") })
	answer, err := http2Client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	buffer := make([]byte, 4)
	for i := range 3 {
		if i > 0 {
			io.WriteString(writer, "ping")
		}
		if _, err := io.ReadFull(answer.Body, buffer); err != nil || string(buffer) != "ping" {
			t.Fatalf("got %q, %v", buffer, err)
		}
	}
	writer.Close()
	if rest, err := io.ReadAll(answer.Body); err != nil || len(rest) != 0 {
		t.Errorf("ended with %q, %v", rest, err)
	}
}

// The client waits for the function and says nothing: that must not keep it from
// learning that the function has died.
func TestH2C_AFunctionThatDiesInADialogueIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]*http.Client{"HTTP/1": {Transport: &http.Transport{}}, "HTTP/2": http2Client(t)} {
		h, seen := newHandler(t), newWitness()
		h.Policy, h.Observer = speaks(function.ProtocolH2C), seen
		deploy(t, h, "figlet", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.ReadFull(r.Body, make([]byte, 4))
			io.WriteString(w, "pong")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})))
		reader, writer := io.Pipe()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+serveBoth(t, h)+"/function/figlet", reader)
		go io.WriteString(writer, "ping")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		began := time.Now()
		if rest, err := io.ReadAll(answer.Body); err == nil || string(rest) != "pong" || time.Since(began) > 2*time.Second {
			t.Errorf("%s: ended with %q, %v after %s", name, rest, err, time.Since(began))
		}
		if code := <-seen.finished; code != 502 {
			t.Errorf("%s: observed %d, want 502", name, code)
		}
		answer.Body.Close()
		writer.Close()
		client.CloseIdleConnections()
	}
}

// The time to accept a piece is not the time until there is another one, or the end.
func TestHandler_AFunctionMayBeSilentForLongerThanAClientMayStall(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.StallTimeout = 500 * time.Millisecond
	deploy(t, h, "figlet", serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 2 {
			_, _ = io.WriteString(w, "tick ")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(2 * h.StallTimeout)
		}
	})))
	for name, client := range map[string]*http.Client{"HTTP/1": http.DefaultClient, "HTTP/2": http2Client(t)} {
		for server, serve := range map[string]func(testing.TB, http.Handler) string{"front": serveFront, "net/http": serveFull} {
			t.Run(name+" "+server, func(t *testing.T) {
				t.Parallel()
				answer, err := client.Get("http://" + serve(t, h) + "/function/figlet")
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				if text, err := io.ReadAll(answer.Body); err != nil || string(text) != "tick tick " {
					t.Errorf("got %q, %v", text, err)
				}
			})
		}
	}
}
