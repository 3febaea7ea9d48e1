package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"strings"

	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
)

// beginFramed sends the head of an answer in HTTP/1.
func (c *client) beginFramed(h upstream.Head, framing upstream.Framing) {
	header := c.w.Header()
	c.copyFields(header, h)
	http1 := c.r.ProtoMajor == 1
	switch {
	case h.Code == http.StatusNotModified && http1:
		keepLength(header)
	case framing == upstream.FramingNone:
	case http1 && c.r.ProtoMinor > 0 && framing != upstream.FramingLength:
		// The server would else count the bytes of a short body.
		header["Transfer-Encoding"] = []string{"chunked"}
	default:
		suppressType(header)
	}
	c.begin(h.Code)
}

// beginUnframed is beginFramed for an answer without HTTP/1's framing. It announces the trailers.
func (c *client) beginUnframed(h upstream.Head, hasBody bool, trailers []string) {
	header := c.w.Header()
	c.copyFields(header, h)
	suppressType(header)
	if hasBody && (h.Length < 0 || len(trailers) > 0) && c.r.ProtoMajor == 1 && c.r.ProtoMinor > 0 {
		// In HTTP/1 only chunked bodies have trailers.
		delete(header, "Content-Length")
		header["Transfer-Encoding"] = []string{"chunked"}
	}
	if len(trailers) > 0 {
		header["Trailer"] = trailers
		grammar.AnnounceTrailers(header)
	}
	if hasBody {
		c.out.speedUp()
	}
	c.begin(h.Code)
}

// trailerNames are those that an answer announces.
func trailerNames(h upstream.Head) []string {
	var names []string
	for _, f := range h.Fields {
		if f.Key != "Trailer" {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			names = append(names, grammar.Key(grammar.Trim(name)))
		}
	}
	return names
}

// copyFields copies what the function sent, but for what is of its connection or what we say.
func (c *client) copyFields(header http.Header, h upstream.Head) {
	c.clearOthers(header, h)
	values := make([]string, len(h.Fields))
	for i, f := range h.Fields {
		if !passes(f.Key, &h, c.r.Method) {
			continue
		}
		values[i] = f.Value
		if before := header[f.Key]; before != nil {
			header[f.Key] = append(before, f.Value)
			continue
		}
		header[f.Key] = values[i : i+1 : i+1]
	}
	grammar.AnnounceTrailers(header)
	if h.Code == http.StatusUpgradeRequired && h.Upgrade != "" && c.r.ProtoMajor == 1 {
		header["Connection"] = []string{"Upgrade"}
		header["Upgrade"] = []string{h.Upgrade}
	}
}

// clearOthers removes what somebody before us has set and the function sets, too.
func (c *client) clearOthers(header http.Header, h upstream.Head) {
	const own = 2 // X-Call-Id and X-Start-Time, which the function cannot set
	if len(header) <= own {
		return
	}
	for _, f := range h.Fields {
		if passes(f.Key, &h, c.r.Method) {
			delete(header, f.Key)
		}
	}
}

// passes reports whether a field of an answer to a method is for the client.
func passes(key string, h *upstream.Head, method string) bool {
	if key == "Trailer" {
		return h.Chunked && !h.Bodyless(method)
	}
	switch grammar.RoleOf(key) {
	case grammar.OfConnection, grammar.OfCall:
		return false
	case grammar.OfMessage:
		return true // whatever Connection says: the answer ends by it
	}
	return !h.Listed(key)
}

// suppressType keeps the server from guessing a type the function did not name.
func suppressType(header http.Header) {
	if _, named := header["Content-Type"]; !named {
		header["Content-Type"] = nil
	}
}

// keepLength respells the length and the type of what was not modified: the server drops them else.
func keepLength(header http.Header) {
	for _, key := range []string{"Content-Length", "Content-Type"} {
		if values, ok := header[key]; ok {
			delete(header, key)
			header[grammar.Lower(key)] = values
		}
	}
}

// inform sends an interim answer, and leaves the header of the final one as it was.
func (c *client) inform(h upstream.Head) {
	header := c.w.Header()
	before := header.Clone()
	clear(header)
	c.copyFields(header, h)
	delete(header, "Content-Length")
	c.w.WriteHeader(h.Code)
	clear(header)
	maps.Copy(header, before)
}

// setTrailers adds what followed a body, under its own name if it was announced.
func (c *client) setTrailers(fields []upstream.Field) error {
	header := c.w.Header()
	announced := map[string]bool{}
	for name := range grammar.Tokens(header["Trailer"]) {
		announced[grammar.Key(name)] = true
	}
	for _, f := range fields {
		if err := checkTrailer(f); err != nil {
			return err
		}
		if !grammar.MayTrail(f.Key) {
			continue
		}
		key := f.Key
		if !announced[key] {
			key = http.TrailerPrefix + key
		}
		header[key] = append(header[key], f.Value)
	}
	return nil
}

// checkTrailer refuses an answer by a field that has followed its body.
func checkTrailer(f upstream.Field) error {
	if !upstream.IsSendable(f.Key, f.Value) || grammar.Frames(f.Key) || grammar.RoleOf(f.Key) == grammar.OfConnection {
		return fmt.Errorf("%w: trailer %.80q", upstream.ErrBadAnswer, f.Key)
	}
	return nil
}
