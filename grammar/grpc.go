package grammar

import (
	"net/http"
	"strings"
)

// IsGRPC reports whether a request is a gRPC call, which may name its function in other ways
// than by its path. gRPC-Web is none: it is plain HTTP.
func IsGRPC(r *http.Request) bool {
	if r.ProtoMajor < 2 {
		return false
	}
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
