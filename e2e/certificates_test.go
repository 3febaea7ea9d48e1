package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	// certificatesOf is the variable that has the test look at what it knows: of the
	// program, or of the file that it names.
	certificatesOf = "FAAS_DOCKER_TEST_CERTIFICATES"
	ofTheProgram   = "program"
)

// In the image there is no file but the program: backends behind https:// are known all
// the same, and an authority of the user's own counts instead where it is named.
func TestCertificates_AreThereWhereTheSystemHasNone(t *testing.T) {
	if wanted := os.Getenv(certificatesOf); wanted != "" {
		lookAtCertificates(t, wanted)
		return
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	own := filepath.Join(t.TempDir(), "own.pem")
	if err := os.WriteFile(own, newAuthority(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, file, wanted string }{
		{"nothing", nowhere, ofTheProgram},
		{"an empty file", os.DevNull, ofTheProgram},
		{"an authority of the user's own", own, own},
	} {
		command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		command.Env = append(os.Environ(), certificatesOf+"="+tc.wanted, "SSL_CERT_FILE="+tc.file, "SSL_CERT_DIR="+nowhere)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("with %s: %v\n%s", tc.name, err, out)
		}
	}
}

func lookAtCertificates(t *testing.T, wanted string) {
	t.Helper()
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if wanted == ofTheProgram {
		if pool.Equal(x509.NewCertPool()) {
			t.Fatal("no authority is known")
		}
		return
	}
	raw, err := os.ReadFile(wanted)
	if err != nil {
		t.Fatal(err)
	}
	own := x509.NewCertPool()
	if !own.AppendCertsFromPEM(raw) || !pool.Equal(own) {
		t.Fatalf("other authorities are known than those of %s", wanted)
	}
}

// newAuthority makes the certificate of an authority.
func newAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}
