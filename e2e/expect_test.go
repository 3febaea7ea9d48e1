package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"faas-docker/function"
)

// conduct is what a function does that was sent the head of a request with a body, and what
// the client is to see of it.
type conduct struct {
	name string
	do   func(conn net.Conn, body *bufio.Reader)
	want string
}

const expected = 1 << 20

func conducts() []conduct {
	says := func(head string, then func(net.Conn, *bufio.Reader)) func(net.Conn, *bufio.Reader) {
		return func(conn net.Conn, body *bufio.Reader) {
			_, _ = io.WriteString(conn, head)
			then(conn, body)
		}
	}
	ends := func(net.Conn, *bufio.Reader) {}
	// An answer that the end of the connection ends is whole only when that is no reset,
	// which the kernel sends when something was not read.
	leaves := func(conn net.Conn, body *bufio.Reader) {
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, body)
	}
	stays := func(conn net.Conn, _ *bufio.Reader) {
		_ = conn.SetDeadline(time.Time{})
		_, _ = conn.Read(make([]byte, 1)) // until the other side ends
	}
	reads := func(then string) func(net.Conn, *bufio.Reader) {
		return func(conn net.Conn, body *bufio.Reader) {
			n, _ := io.CopyN(io.Discard, body, expected)
			_, _ = fmt.Fprintf(conn, then, n)
		}
	}
	const ok = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok\n"
	const whole = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\n%d"
	return []conduct{
		{"200, then ends", says(ok, ends), "200 ok"},
		{"200, then stays", says(ok, stays), "200 ok"},
		{"200, then reads", says(ok, reads("")), "200 ok"},
		{"200 in chunks, then ends", says("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n", ends), "200 ok"},
		{"200 to the end", says("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok\n", leaves), "200 ok"},
		{"413, then ends", says("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n", ends), "413 ok"},
		{"413, then stays", says("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nok\n", stays), "413 ok"},
		{"401, then ends", says("HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nok\n", ends), "401 ok"},
		{"401, then stays", says("HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nok\n", stays), "401 ok"},
		{"204, then stays", says("HTTP/1.1 204 No Content\r\n\r\n", stays), "204 "},
		{"302, then stays", says("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", stays), "302 "},
		{"100, then 200 unread", says("HTTP/1.1 100 Continue\r\n\r\n"+ok, ends), "200 ok"},
		{"100, then 413 unread", says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nok\n", stays), "413 ok"},
		{"100, reads, 200", says("HTTP/1.1 100 Continue\r\n\r\n", reads(whole)), "200 1048576"},
		{"100 twice, reads, 200", says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", reads(whole)), "200 1048576"},
		{"103, 100, reads, 200", says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", reads(whole)), "200 1048576"},
		{"reads without 100", reads(whole), "200 1048576"},
		{"200 begun, reads, ends", says("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n", reads("7\r\n%d\r\n0\r\n\r\n")), "200 first 1048576"},
		{"200 head, reads, ends", says("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", reads("7\r\n%d\r\n0\r\n\r\n")), "200 1048576"},
		{"200 with a length begun, reads, ends", says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nfirst ", reads("%d")), "200 first 1048576"},
		{"200 to the end begun, reads, ends", says("HTTP/1.1 200 OK\r\n\r\nfirst ", reads("%d")), "200 first 1048576"},
		{"100, 200 begun, reads, ends", says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n", reads("7\r\n%d\r\n0\r\n\r\n")), "200 first 1048576"},
		{"103, then 401", says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nok\n", stays), "401 ok"},
	}
}

// expecting is a way to a function that conducts itself so.
func expecting(t *testing.T, rules string, policies function.Policies, c conduct) *wiring {
	return (&wiring{T: t, speak: c.do}).begin(rules, policies)
}

func expectRules() map[string]string {
	return map[string]string{
		"/function/f": ``,
		"/filters":    `f: Path("/filters") -> setRequestHeader("X-A", "1") -> setResponseHeader("X-B", "1") -> FUNCTION;`,
	}
}

// eachExpectation calls test for each conduct, on each way to the function.
func eachExpectation(t *testing.T, test func(t *testing.T, s *wiring, path, want string)) {
	for _, c := range conducts() {
		for path, rule := range expectRules() {
			for name, policies := range map[string]function.Policies{"no policy": {}, "policies": retried()} {
				t.Run(c.name+", "+path+", "+name, func(t *testing.T) {
					t.Parallel()
					test(t, expecting(t, rule, policies, c), path, c.want)
				})
			}
		}
	}
}

// curl sends the body when it was asked for it, or after a second, or when the answer is no
// refusal.
func TestExpect_CurlIsAnsweredWheneverTheFunctionAnswers(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed: TestExpect_AnswersComeInAnyOrder does the same with clients of its own")
	}
	upload := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(upload, make([]byte, expected), 0o600); err != nil {
		t.Fatal(err)
	}
	eachExpectation(t, func(t *testing.T, s *wiring, path, want string) {
		for _, lane := range []string{"X-Lane: plain", netHTTPLane} {
			out, err := exec.Command(curl, "-s", "-m", "20", "-w", "%{http_code}", "-H", lane, "-H", "Expect: 100-continue", "--data-binary", "@"+upload, "http://"+s.address+path).CombinedOutput()
			if len(out) < 3 || err != nil && !(lane == netHTTPLane && isCutUpload(err)) {
				t.Errorf("%s: %q, %v", lane, out, err)
				continue
			}
			body, status := strings.TrimSpace(string(out[:len(out)-3])), out[len(out)-3:]
			if got := string(status) + " " + body; got != want {
				t.Errorf("%s: got %q, want %q", lane, got, want)
			}
		}
	})
}

// netHTTPLane is a field that has net/http's server answer.
const netHTTPLane = "Upgrade: nothing"

// isCutUpload reports whether curl has its answer, and could not send all of its body (55):
// half a second after an early answer net/http's server ends the connection, and reads no more.
func isCutUpload(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 55
}

// A patient client sends no body unless it is asked for it; a hasty one does not wait.
func TestExpect_AnswersComeInAnyOrder(t *testing.T) {
	t.Parallel()
	eachExpectation(t, func(t *testing.T, s *wiring, path, want string) {
		for _, lane := range []string{"", "Upgrade: nothing\r\n"} {
			for _, hasty := range []bool{false, true} {
				if got := s.expect(path, lane, hasty); got != want {
					t.Errorf("lane %q, hasty %t: got %q, want %q", lane, hasty, got, want)
				}
			}
		}
	})
}

// expect sends a request that expects 100, and returns the status and the body of the answer.
func (s *wiring) expect(path, lane string, hasty bool) string {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", path, lane, expected)
	send := sync.OnceFunc(func() { _, _ = conn.Write(make([]byte, expected)) })
	if hasty {
		go send()
	}
	reader := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(reader, &http.Request{Method: http.MethodPost})
		if err != nil {
			return err.Error()
		}
		if answer.StatusCode == http.StatusContinue {
			go send()
		}
		if answer.StatusCode >= 200 {
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSpace(string(body)))
		}
	}
}
