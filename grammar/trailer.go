package grammar

import (
	"io"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Frames reports whether a field, by its canonical name, says where a message ends.
func Frames(key string) bool {
	return key == "Transfer-Encoding" || key == "Content-Length" || key == "Trailer"
}

// MayTrail reports whether a field, by its canonical name, may follow a body: it is not
// needed for framing, routing, authentication, or to know what to do with the message
// (RFC 9110, 6.5.1). Names with an underscore count as those with a hyphen.
func MayTrail(key string) bool {
	if !IsToken(key) {
		return false
	}
	switch key = hyphened(key); key {
	case "Upgrade", "Http2-Settings", "Via", "Forwarded", "X-Real-Ip", "X-Call-Id", "X-Start-Time", "Cookie", "Set-Cookie",
		"Age", "Date", "Expires", "Location", "Retry-After", "Vary", "Warning":
		return false
	}
	return httpguts.ValidTrailerHeader(key) && !strings.HasPrefix(key, "X-Forwarded-")
}

// BadTrailer returns the name of a field that may not follow a body, by name or value; empty if all may.
func BadTrailer(trailer http.Header) string { return firstBad(trailer, MayTrail) }

// AnnounceTrailers leaves in an answer's Trailer the names that may follow the body and are not in its
// head: servers keep an announced field out of the head, whoever has set it.
func AnnounceTrailers(header http.Header) {
	announced, found := header["Trailer"]
	if !found {
		return
	}
	var names []string
	for name := range Tokens(announced) {
		if key := Key(name); header[key] == nil && MayTrail(key) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		delete(header, "Trailer")
		return
	}
	header["Trailer"] = []string{strings.Join(names, ", ")}
}

// CheckedBody is a body that check looks at once all of it is read and its trailers are known. What check
// returns is the error of that read. It is as safe for concurrent use as the body is.
func CheckedBody(body io.ReadCloser, check func() error) io.ReadCloser {
	return &checkedBody{body, check}
}

type checkedBody struct {
	io.ReadCloser
	check func() error
}

func (b *checkedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if err == io.EOF {
		if bad := b.check(); bad != nil {
			return n, bad
		}
	}
	return n, err
}
