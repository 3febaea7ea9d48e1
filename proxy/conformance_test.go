package proxy

import (
	"strings"
	"testing"
)

// TestConformance has one row for each case of the comparison of proxies, and of
// the pitfalls besides.
func TestConformance(t *testing.T) {
	for _, group := range [][]row{targetRows(), requestRows(), framingRows(), strictRows(), answerRows(), brokenAnswerRows(), sceneRows()} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.play(newStage(t))
			})
		}
	}
}

// What is not plain is served by net/http, and other programs mount the handler there.
func TestConformance_NetHTTP(t *testing.T) {
	for _, group := range [][]row{targetRows(), requestRows(), framingRows(), lenientRows(), answerRows(), brokenAnswerRows(), sceneRows()} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.play(newStageWith(t, serveFull))
			})
		}
	}
}

type row struct {
	name string
	play func(*stage)
}

func targetRows() []row {
	get := func(target, host string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	}
	return []row{
		{"target with %2F and a bare question mark", forwards(get("/function/f/a%2Fb?", "x"), []string{"GET /a%2Fb? HTTP/1.1\r\n"}, nil)},
		{"target with double slash and dots", forwards(get("/function/f//x/../y", "x"), []string{"GET //x/../y HTTP/1.1\r\n"}, nil)},
		{"query with semicolon and bad escape", forwards(get("/function/f?a=1;b=2&c=%zz&d=3", "x"), []string{"GET /?a=1;b=2&c=%zz&d=3 HTTP/1.1\r\n"}, nil)},
		{"target with unusual characters", forwards(get(`/function/f/"<>[]|^{}~\'*,`, "x"), []string{`GET /"<>[]|^{}~\'*, HTTP/1.1` + "\r\n"}, nil)},
		{"absolute-form target", forwards(get("http://other:81/function/f/p", "x"), []string{"GET /p HTTP/1.1\r\n", "Host: other:81\r\n", "X-Forwarded-Host: other:81\r\n", "X-Forwarded-Prefix: /function/f\r\n"}, nil)},
		{"host with port", forwards(get("/function/f", "x:8080"), []string{"Host: x:8080\r\n"}, nil)},
		{"host with IPv6 literal", forwards(get("/function/f", "[::1]:8080"), []string{"Host: [::1]:8080\r\n"}, nil)},
		{"host with user", refused("GET /function/f HTTP/1.1\r\nHost: u@x\r\nConnection: close\r\n\r\n", "400")},
		{"two hosts", refused("GET /function/f HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400")},
		{"no host", refused("GET /function/f HTTP/1.1\r\n\r\n", "400")},
		{"method TRACE", refused("TRACE /function/f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405")},
		{"method CONNECT", refused("CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405")},
	}
}

func requestRows() []row {
	with := func(fields ...string) string {
		return "GET /function/f HTTP/1.1\r\nHost: x\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
	}
	return []row{
		{"connection-listed and hop-by-hop fields", forwards(
			with("Connection: X-Secret, keep-alive", "X-Secret: 1", "Keep-Alive: timeout=5", "Proxy-Authorization: Basic eA==", "Proxy-Connection: x", "X-Open: 2"),
			[]string{"X-Open: 2\r\n"}, []string{"X-Secret", "Keep-Alive", "Proxy-", "\r\nConnection:"})},
		{"connection cannot remove what we say", forwards(
			with("Connection: X-Forwarded-For, X-Forwarded-Host, X-Call-Id, X-Start-Time, Host"),
			[]string{"X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Host: x\r\n", "X-Call-Id: ", "X-Start-Time: ", "Host: x\r\n"}, nil)},
		{"TE with trailers and gzip", forwards(with("TE: trailers, gzip"), []string{"Te: trailers\r\n"}, []string{"gzip"})},
		{"TE without trailers", forwards(with("TE: gzip"), nil, []string{"\r\nTe:", "gzip"})},
		{"spoofed forwarding fields", forwards(
			with("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "X-Forwarded-Proto: https", "X-Forwarded-Port: 6", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "X_Forwarded_For: 6.6.6.6"),
			[]string{"X-Forwarded-For: 127.0.0.1\r\n", "X-Real-Ip: 127.0.0.1\r\n", `Forwarded: for="127.0.0.1";host="x";proto=http` + "\r\n"}, []string{"6.6.6.6", "evil", "https", "X-Forwarded-Port"})},
		{"no Accept-Encoding and no User-Agent of our own", forwards(getF, nil, []string{"Accept-Encoding", "User-Agent"})},
		{"cookies stay apart", forwards(with("Cookie: a=1", "Cookie: b=2"), []string{"Cookie: a=1\r\nCookie: b=2\r\n"}, nil)},
		{"bare LF head lines", forwards("GET /function/f HTTP/1.1\nHost: x\nX-A: 1\n\n", []string{"X-A: 1\r\n"}, nil)},
		{"empty POST says so", forwards("POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []string{"Content-Length: 0\r\n"}, []string{"chunked"})},
		{"GET says no length", forwards(getF, nil, []string{"Content-Length", "chunked"})},
		{"header of 1.5 MB", refused(with("X-Big: "+strings.Repeat("x", 3<<19)), "431")},
		{"20,000 header fields", refused(with(strings.Repeat("X: 1\r\n", 20000)+"X: 1"), "431")},
		{"space before colon", refused(with("X-A : 1"), "400")},
		{"control character in a value", refused(with("X-A: a\x00b"), "400")},
		{"field without a name", refused(with(": 1"), "400")},
	}
}

func framingRows() []row {
	post := func(fields, body string) string {
		return "POST /function/f HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body
	}
	return []row{
		{"two lengths that differ", refused(post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), "400")},
		{"length with a sign", refused(post("Content-Length: +5\r\n", "hello"), "400")},
		{"Transfer-Encoding xchunked", refused(post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "400", "501")},
		{"Transfer-Encoding with space before colon", refused(post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), "400")},
		{"Transfer-Encoding that Unicode folds to chunked", refused(post("Transfer-Encoding: chun\u212aed\r\n", "0\r\n\r\n"), "400", "501")},
		{"Transfer-Encoding that is chunked behind a wide blank", refused(post("Transfer-Encoding: \u00a0chunked\r\n", "0\r\n\r\n"), "400", "501")},
		{"Transfer-Encoding twice", refused(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400", "501")},
		{"length is kept", sendsBody(post("Content-Length: 5\r\n", "hello"), "Content-Length: 5\r\n", "hello")},
		{"chunking is kept", sendsBody(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")},
		{"announced request trailers", sendsBody(post("Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"), "Trailer: X-Sum\r\n", "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")},
		{"request trailers nobody announced", sendsBody(post("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"), "chunked\r\n", "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")},
		{"GET with a body", sendsBody("GET /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "Content-Length: 2\r\n", "hi")},
		{"bare LF in a chunk extension", badBody("3;a=b\nabc\r\n0\r\n\r\n")},
		{"chunk size that is none", badBody("zz\r\nabc\r\n0\r\n\r\n")},
		{"chunk longer than its size", badBody("2\r\nabc\r\n0\r\n\r\n")},
		{"pipelined requests are answered in order", pipelined},
	}
}

// strictRows are what net/http does not let a handler know.
func strictRows() []row {
	both := "POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	return []row{
		{"length and chunked", refused(both, "400")},
		{"length and chunked, the other way round", refused("POST /function/f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", "400")},
		{"length and chunked in the second request", func(s *stage) {
			f := s.get()
			f.say("HTTP/1.1 204 No Content\r\n\r\n")
			s.client.head()
			refused(both, "400")(s)
		}},
	}
}

// lenientRows are what net/http makes of it: it takes the length out before any
// handler or hook sees the request. The function is never told both, so that
// everybody reads the same message.
func lenientRows() []row {
	return []row{
		{"length and chunked: chunked counts, the length is not sent on", forwards("POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []string{"Transfer-Encoding: chunked\r\n"}, []string{"Content-Length"})},
		{"length and chunked: what follows the last chunk is a request of its own", lengthAndChunked},
	}
}

func answerRows() []row {
	head := "HEAD /function/f HTTP/1.1\r\nHost: x\r\n\r\n"
	return []row{
		{"hop-by-hop fields of an answer", answers(getF, "HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nX-Open: 2\r\nContent-Length: 0\r\n\r\n",
			[]string{"X-Open: 2\r\n", "Content-Length: 0\r\n"}, []string{"X-Secret", "Keep-Alive"}, "")},
		{"no type is guessed", answers(getF, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", none(), []string{"Content-Type"}, "<html>")},
		{"a length that Connection names", answers(getF, "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", []string{"Content-Length: 5\r\n"}, []string{"Transfer-Encoding"}, "hello")},
		{"set-cookie is never merged", answers(getF, "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n", []string{"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"}, nil, "")},
		{"compressed bodies stay as they are", answers(getF, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", []string{"Content-Encoding: gzip\r\n"}, nil, "\x1f\x8b\x08")},
		{"redirects are not followed", answers(getF, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", []string{"HTTP/1.1 302 ", "Location: http://127.0.0.1:1/\r\n"}, nil, "")},
		{"chunked stays chunked", answers(getF, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n", []string{"Transfer-Encoding: chunked\r\n"}, []string{"Content-Length"}, "5\r\nhello\r\n0\r\n\r\n")},
		{"announced trailers", answers(getF, "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n", []string{"Trailer: X-Sum\r\n"}, nil, "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")},
		{"trailers nobody announced", answers(getF, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n", none(), none(), "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")},
		{"HEAD keeps the length", answers(head, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nContent-Type: a/b\r\n\r\n", []string{"Content-Length: 500\r\n", "Content-Type: a/b\r\n"}, nil, "")},
		{"HEAD of a chunked answer", answers(head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", none(), []string{"Content-Length"}, "")},
		{"304 keeps length and type and has no body", answers(getF, "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nContent-Type: a/b\r\nEtag: \"1\"\r\n\r\n", []string{"ength: 500\r\n", "ype: a/b\r\n", "Etag: \"1\"\r\n"}, nil, "")},
		{"204 has no body and no length", answers(getF, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", none(), []string{"Content-Length", "Transfer-Encoding"}, "")},
		{"connection of an answer that Unicode folds to close", answers(getF, "HTTP/1.1 200 OK\r\nConnection: clo\u017fe\r\nContent-Length: 0\r\n\r\n", none(), none(), "")},
		{"status without a reason", answers(getF, "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", []string{"HTTP/1.1 299 "}, nil, "")},
		{"bare LF head lines of an answer", answers(getF, "HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 0\n\n", []string{"X-A: 1\r\n"}, nil, "")},
	}
}

func brokenAnswerRows() []row {
	bad := func(fields string) func(*stage) { return isBadGateway("HTTP/1.1 200 OK\r\n" + fields + "\r\nhello") }
	return []row{
		{"two lengths in an answer", bad("Content-Length: 5\r\nContent-Length: 6\r\n")},
		{"the same length twice in an answer", bad("Content-Length: 5\r\nContent-Length: 5\r\n")},
		{"length that is no number", bad("Content-Length: five\r\n")},
		{"NUL in an answer's field", bad("X-A: a\x00b\r\nContent-Length: 5\r\n")},
		{"bare CR in an answer's field", bad("X-A: a\rb\r\nContent-Length: 5\r\n")},
		{"length and chunked in an answer", bad("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
		{"folded field in an answer", bad("X-A: a\r\n b\r\nContent-Length: 5\r\n")},
		{"more fields in an answer than anybody sends", bad(strings.Repeat("a:\n", 1001) + "Content-Length: 5\r\n")},
		{"more fields named by an answer's Connection than anybody names", bad("Connection: " + strings.Repeat("b,", 20000) + "b\r\nContent-Length: 5\r\n")},
		{"space in an answer's field name", bad("X A: 1\r\nContent-Length: 5\r\n")},
		{"space before an answer's colon", bad("X-A : 1\r\nContent-Length: 5\r\n")},
		{"unknown transfer encoding in an answer", bad("Transfer-Encoding: gzip, chunked\r\n")},
		{"transfer encoding in an answer that Unicode folds to chunked", bad("Transfer-Encoding: chun\u212aed\r\n")},
		{"transfer encoding in an answer that is chunked before a wide blank", bad("Transfer-Encoding: chunked\u2003\r\n")},
		{"trailer that frames", bad("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n")},
		{"status 2000", isBadGateway("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n")},
		{"status 99", isBadGateway("HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n")},
		{"HTTP/2.0 in an answer", isBadGateway("HTTP/2.0 200 OK\r\n\r\n")},
		{"no HTTP at all", isBadGateway("SSH-2.0-OpenSSH_9.6\r\n\r\n")},
		{"101 nobody asked for", isBadGateway("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")},
		{"endless interim answers", endlessInterim},
		{"endless head", isBadGateway("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: 1\r\n", 50000))},
		{"answer short of its length", isCut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "hello")},
		{"chunked answer cut between chunks", isCut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r\nhello\r\n")},
		{"chunked answer cut within a chunk", isCut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", "5\r\nhello\r\n")},
		{"chunked answer cut in its trailers", isCut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n", "5\r\nhello\r\n")},
		{"malformed chunk in an answer", isCut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r\nhello\r\n", "zz\r\n")},
		{"bare LF in an answer's chunk line", isCut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r\nhello\r\n", "3;\nabc\r\n0\r\n\r\n")},
	}
}

func sceneRows() []row {
	return []row{
		{"103 early hints", earlyHints},
		{"103 early hints are not for HTTP/1.0", earlyHintsHTTP10},
		{"Expect: the function refuses first", expectRefused},
		{"Expect: the function asks for the body", expectAsked},
		{"Expect: the function knows nothing of it", expectIgnored},
		{"early 413 while the client uploads", earlyRefusal},
		{"101 with bytes in the same segment, both ways", upgrade},
		{"426 says what to upgrade to", upgradeRequired},
		{"the client goes away while the function thinks", abortWaiting},
		{"the client goes away while it uploads", abortUploading},
		{"the client goes away while it downloads", abortDownloading},
		{"HTTP/1.0 client, chunked answer", http10},
		{"HTTP/1.0 client, answer cut", http10Cut},
		{"Connection: close from the client", closeFromClient},
		{"Connection: close from the function", closeFromFunction},
		{"HTTP/1.0 function", http10Function},
		{"answer that ends with the connection", endless},
		{"POST after the function closed an idle connection", idleClosed},
		{"POST is not sent twice", neverTwice},
		{"GET is sent again when the connection was stale", sentAgain},
		{"bytes nobody asked for on an idle connection", unsolicited},
		{"bytes after an answer", surplus},
		{"what the function flushes is seen at once", streaming},
		{"full duplex", fullDuplex},
		{"a client that reads nothing is cut off", slowReader},
		{"a client that stops uploading is cut off", slowUpload},
		{"a function that dribbles its head is too slow", slowHead},
		{"a head in two parts", headInParts},
	}
}
