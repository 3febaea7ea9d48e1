package engine_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// registry is a small image registry; engines allow those on the loopback
// addresses to speak plain HTTP.
type registry struct {
	*httptest.Server
	mu sync.Mutex // protects the fields below
	// tags leads from "name:tag" to a manifest, blobs from a digest to its content.
	tags  map[string][]byte
	blobs map[string][]byte
	asked int // for manifests, by tag
	// user and password are wanted when they are set; status answers everything.
	user, password string
	status         int
	// held keeps blobs back until it is closed.
	held chan struct{}
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{tags: map[string][]byte{}, blobs: map[string][]byte{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// host is how references name the registry.
func (r *registry) host() string { return strings.TrimPrefix(r.URL, "http://") }

// push makes an image with one file and returns its reference.
func (r *registry) push(t *testing.T, name, content string) string {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "content", Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	config := mustJSON(t, map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/content"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer.Bytes())}},
	})
	blob := func(kind string, content []byte) map[string]any {
		return map[string]any{"mediaType": kind, "size": len(content), "digest": digest(content)}
	}
	manifest := mustJSON(t, map[string]any{
		"schemaVersion": 2,
		"mediaType":     "application/vnd.docker.distribution.manifest.v2+json",
		"config":        blob("application/vnd.docker.container.image.v1+json", config),
		"layers":        []any{blob("application/vnd.docker.image.rootfs.diff.tar", layer.Bytes())},
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[digest(config)], r.blobs[digest(layer.Bytes())], r.blobs[digest(manifest)] = config, layer.Bytes(), manifest
	r.tags[name+":latest"] = manifest
	return r.host() + "/" + name + ":latest"
}

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	status, user, password, held := r.status, r.user, r.password, r.held
	r.mu.Unlock()
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	if u, p, _ := request.BasicAuth(); u != user || p != password {
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
		if held != nil {
			<-held
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		_, _ = w.Write(r.blobs[sum])
	}
}

func (r *registry) serveManifest(w http.ResponseWriter, name, tag string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	manifest := r.blobs[tag]
	if manifest == nil {
		r.asked++
		manifest = r.tags[name+":"+tag]
	}
	if manifest == nil {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
	w.Header().Set("Docker-Content-Digest", digest(manifest))
	w.Header().Set("Content-Length", fmt.Sprint(len(manifest)))
	_, _ = w.Write(manifest)
}

func (r *registry) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *registry) timesAsked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
