package enginetest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Registry is a small image registry on a loopback address, where engines allow it to
// speak plain HTTP. All methods may be called concurrently.
type Registry struct {
	server *httptest.Server
	mu     sync.Mutex // protects the fields below
	// tags leads from "name:tag" to a manifest, blobs from a digest to its content.
	tags   map[string][]byte
	blobs  map[string][]byte
	asked  int // for manifests, by tag
	mishap Mishap
}

// Mishap is what goes wrong with a Registry. The zero Mishap is nothing.
type Mishap struct {
	// User and Password are wanted when they are set.
	User, Password string
	// Status answers everything when it is not zero.
	Status int
	// Forgotten has the registry deny that it ever had an image.
	Forgotten bool
	// Silent keeps all answers back until it is closed, and Held keeps blobs back.
	Silent, Held chan struct{}
}

// NewRegistry starts a registry that ends with the test.
func NewRegistry(t testing.TB) *Registry {
	t.Helper()
	r := &Registry{tags: map[string][]byte{}, blobs: map[string][]byte{}}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// Close ends the registry: connections to it are refused from now on.
func (r *Registry) Close() { r.server.Close() }

// Suffer has something go wrong from now on.
func (r *Registry) Suffer(mishap Mishap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mishap = mishap
}

// TimesAsked returns how often the registry was asked what a tag means.
func (r *Registry) TimesAsked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// Host is how references name the registry.
func (r *Registry) Host() string { return strings.TrimPrefix(r.server.URL, "http://") }

// Push makes an image of one program, with an environment, and returns its reference,
// whose tag is latest, and its digest.
func (r *Registry) Push(t testing.TB, name string, program []byte, env ...string) (ref, digest string) {
	t.Helper()
	layer := archive(t, program)
	config := mustJSON(t, map[string]any{
		"architecture": "amd64", "os": "linux",
		// A registry's images are its own: another test that removes one does not take them along.
		"author": r.Host(),
		"config": map[string]any{"Entrypoint": []string{"/function"}, "Env": env},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(layer)}},
	})
	blob := func(kind string, content []byte) map[string]any {
		return map[string]any{"mediaType": kind, "size": len(content), "digest": digestOf(content)}
	}
	manifest := mustJSON(t, map[string]any{
		"schemaVersion": 2,
		"mediaType":     "application/vnd.docker.distribution.manifest.v2+json",
		"config":        blob("application/vnd.docker.container.image.v1+json", config),
		"layers":        []any{blob("application/vnd.docker.image.rootfs.diff.tar", layer)},
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[digestOf(config)], r.blobs[digestOf(layer)], r.blobs[digestOf(manifest)] = config, layer, manifest
	r.tags[name+":latest"] = manifest
	return r.Host() + "/" + name + ":latest", digestOf(manifest)
}

// ServeHTTP answers an engine.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	mishap := r.mishap
	r.mu.Unlock()
	if mishap.Silent != nil {
		<-mishap.Silent
	}
	if mishap.Status != 0 {
		w.WriteHeader(mishap.Status)
		return
	}
	if u, p, _ := request.BasicAuth(); u != mishap.User || p != mishap.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	path := strings.TrimPrefix(request.URL.Path, "/v2/")
	if name, tag, found := strings.Cut(path, "/manifests/"); found {
		r.serveManifest(w, name, tag)
		return
	}
	if _, sum, found := strings.Cut(path, "/blobs/"); found {
		if mishap.Held != nil {
			<-mishap.Held
		}
		if mishap.Forgotten {
			refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		_, _ = w.Write(r.blobs[sum])
	}
}

func (r *Registry) serveManifest(w http.ResponseWriter, name, tag string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	manifest := r.blobs[tag]
	if manifest == nil {
		r.asked++
		manifest = r.tags[name+":"+tag]
	}
	if manifest == nil || r.mishap.Forgotten {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
	w.Header().Set("Docker-Content-Digest", digestOf(manifest))
	w.Header().Set("Content-Length", fmt.Sprint(len(manifest)))
	_, _ = w.Write(manifest)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func mustJSON(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
