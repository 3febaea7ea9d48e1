package front

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"faas-docker/grammar"
)

// Underscores says what becomes of request fields, trailers included, whose names have an
// underscore. Programs that know fields as variables, such as CGI, take X_User for X-User.
type Underscores int

const (
	// KeepUnderscores lets them pass.
	KeepUnderscores Underscores = iota
	// DropUnderscores leaves them out.
	DropUnderscores
	// RefuseUnderscores answers 400 to requests with such a field.
	RefuseUnderscores
)

var errTrailerField = errors.New("front: field that must not be a trailer")

// apply says why a request with such a header is refused; empty when it is not.
func (u Underscores) apply(header http.Header) string {
	if u == KeepUnderscores {
		return ""
	}
	for key := range header {
		if strings.IndexByte(key, '_') < 0 {
			continue
		}
		if u == RefuseUnderscores {
			return fmt.Sprintf("the name of the field %.80q has an underscore", key)
		}
		delete(header, key)
	}
	return ""
}

// checkTrailer judges the fields that have followed a body.
func (s *Server) checkTrailer(trailer http.Header) error {
	if key := grammar.BadTrailer(trailer); key != "" {
		return fmt.Errorf("%w: %.80q", errTrailerField, key)
	}
	if why := s.Underscores.apply(trailer); why != "" {
		return fmt.Errorf("%w: %s", errTrailerField, why)
	}
	return nil
}

// admitForeign makes a request that net/http has read what handlers may see, or says why it is refused.
// It returns the request that the handler gets: net/http looks at the body of its own again.
func (s *Server) admitForeign(r *http.Request) (own *http.Request, why string) {
	hosts := r.Header["Host"]
	switch {
	case r.URL.Opaque != "", r.URL.Scheme != "" && (r.URL.Host == "" || !isWebScheme(r.URL.Scheme)):
		// It has no path that rules could look at, and is sent on as one.
		return nil, badTarget
	case r.Host == "" && !r.ProtoAtLeast(1, 1):
	case !grammar.IsHost(r.Host) || r.URL.User != nil:
		return nil, badHost
	case len(hosts) > 1 || len(hosts) == 1 && !grammar.EqualFold(hosts[0], r.Host):
		return nil, "two hosts"
	}
	if key := grammar.BadTrailer(r.Trailer); key != "" {
		return nil, fmt.Sprintf("the field %.80q must not follow a body", key)
	}
	if why := s.Underscores.apply(r.Trailer); why != "" {
		return nil, why
	}
	grammar.StripConnection(r.Header)
	if why := s.Underscores.apply(r.Header); why != "" || r.ContentLength == 0 {
		return r, why
	}
	own = r.WithContext(r.Context())
	own.Body = grammar.CheckedBody(r.Body, func() error {
		if own.Trailer == nil {
			own.Trailer = r.Trailer // none was announced
		}
		return s.checkTrailer(r.Trailer)
	})
	return own, ""
}

// refuse answers a request that net/http has read.
func refuse(w http.ResponseWriter, r *http.Request, why string) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, refusal(why), http.StatusBadRequest)
}

func refusal(why string) string { return "400 Bad Request: " + why }
