package filters

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
)

// leastCompressed is the least length, in bytes, of an answer worth compressing, where it is known.
const leastCompressed = 512

// compress compresses answers as the client accepts it. What is compressed already, is
// a part, or must not be transformed is left alone; a flush passes through.
type compress struct {
	// types are the media types that are compressed; a final slash stands for all below.
	types    []string
	encoders map[string]*sync.Pool
}

func newCompress(args []any) (routes.ResponseFunc, error) {
	f := compress{encoders: newEncoders(), types: []string{
		"text/", "application/json", "application/javascript", "application/xml", "application/wasm",
		"application/x-ndjson", "image/svg+xml", "+json", "+xml",
	}}
	if len(args) > 0 {
		if _, isLevel := args[0].(float64); isLevel {
			args = args[1:] // eskip's level of compression; the usual one is meant here
		}
	}
	switch {
	case len(args) > 0 && argument.Text(args[0]) == "...": // eskip's word for the usual ones
		f.types = append(f.types, argument.Texts(args[1:])...)
	case len(args) > 0:
		f.types = argument.Texts(args)
	}
	for _, kind := range f.types {
		if !strings.ContainsAny(kind, "/+") {
			return nil, fmt.Errorf("%q is not a media type: want text/html, or text/ for all of them", kind)
		}
	}
	return f.apply, nil
}

func (f compress) apply(c *routes.Context) {
	r := c.Response
	if !f.fits(c.Request, r) {
		return
	}
	r.Header.Add("Vary", "Accept-Encoding")
	name := preferred(c.Request.Header["Accept-Encoding"])
	if name == "" {
		return
	}
	r.Header.Set("Content-Encoding", name)
	r.Header.Del("Accept-Ranges")
	if tag := r.Header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		r.Header.Set("ETag", "W/"+tag) // the bytes are no longer those that it named
	}
	r.Wrap(func(w io.Writer) io.WriteCloser {
		e := f.encoders[name].Get().(encoder)
		e.Reset(w)
		return lentEncoder{e, f.encoders[name]}
	})
}

func (f compress) fits(request *http.Request, r *routes.Response) bool {
	switch {
	case request.Method == http.MethodHead, r.Status == http.StatusSwitchingProtocols,
		r.Status == http.StatusNoContent, r.Status == http.StatusNotModified, r.Status == http.StatusPartialContent,
		r.Header.Get("Content-Encoding") != "", r.Header.Get("Content-Range") != "",
		strings.Contains(grammar.Lower(strings.Join(r.Header["Cache-Control"], ",")), "no-transform"):
		return false
	}
	if length, err := strconv.Atoi(r.Header.Get("Content-Length")); err == nil && length < leastCompressed {
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && slices.ContainsFunc(f.types, func(t string) bool {
		return kind == t || strings.HasSuffix(t, "/") && strings.HasPrefix(kind, t) || strings.HasPrefix(t, "+") && strings.HasSuffix(kind, t)
	})
}

// preferred is the coding of ours that the client likes best, of equals zstd; empty means none.
func preferred(header []string) string {
	best, bestQuality := "", 0.0
	weights := qualities(header)
	for _, name := range []string{"zstd", "gzip"} {
		quality, named := weights[name]
		if !named {
			quality = weights["*"]
		}
		if quality > bestQuality {
			best, bestQuality = name, quality
		}
	}
	return best
}

// qualities reads a header such as Accept-Encoding.
func qualities(header []string) map[string]float64 {
	weights := map[string]float64{}
	for item := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, parameters, _ := strings.Cut(item, ";")
		quality := 1.0
		if text, found := strings.CutPrefix(grammar.Lower(strings.TrimSpace(parameters)), "q="); found {
			quality, _ = strconv.ParseFloat(text, 64)
		}
		weights[grammar.Lower(strings.TrimSpace(name))] = quality
	}
	return weights
}

type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// newEncoders lends encoders, which are dear to make, by the names of their codings.
func newEncoders() map[string]*sync.Pool {
	return map[string]*sync.Pool{
		"gzip": {New: func() any { return gzip.NewWriter(nil) }},
		"zstd": {New: func() any {
			// The options are constant and right: there is no error. One takes 0.8 MiB, for as long
			// as its client reads; the library's defaults take three times as much.
			w, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<18),
				zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(zstd.SpeedFastest))
			return w
		}},
	}
}

// lentEncoder goes back when closed. A broken answer's is not closed: an end would make it look whole.
type lentEncoder struct {
	encoder
	pool *sync.Pool
}

func (e lentEncoder) Close() error {
	err := e.encoder.Close()
	e.encoder.Reset(nil)
	e.pool.Put(e.encoder)
	return err
}
