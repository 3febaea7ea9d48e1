package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// BasicAuth is the name and the password that open the system API. The zero value opens nothing.
type BasicAuth struct{ User, Password string }

// LoadBasicAuth reads the files basic-auth-user and basic-auth-password in dir, without white
// space around their texts. A file that is missing, empty or can never match is an error that
// names it.
func LoadBasicAuth(dir string) (BasicAuth, error) {
	user, userErr := readCredential(dir, "basic-auth-user")
	password, passwordErr := readCredential(dir, "basic-auth-password")
	if err := errors.Join(userErr, passwordErr); err != nil {
		return BasicAuth{}, err
	}
	if strings.Contains(user, ":") {
		return BasicAuth{}, fmt.Errorf("read %q: a user name cannot contain ':', because HTTP ends the name there", filepath.Join(dir, "basic-auth-user"))
	}
	return BasicAuth{User: user, Password: password}, nil
}

func readCredential(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("basic_auth=true wants the file %q: %w: create it, or set secret_mount_path to its folder", path, err)
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return "", fmt.Errorf("basic_auth=true wants the file %q: it is empty", path)
	}
	return text, nil
}

// String returns the user's name; the password is never printed.
func (b BasicAuth) String() string { return fmt.Sprintf("basic auth of user %q", b.User) }

// GoString is String.
func (b BasicAuth) GoString() string { return b.String() }

// Wrap lets only requests with these credentials through to next; all others are
// answered 401. How long that takes tells nothing about how much was right.
func (b BasicAuth) Wrap(next http.Handler) http.Handler {
	wantUser, wantPassword := sha256.Sum256([]byte(b.User)), sha256.Sum256([]byte(b.Password))
	usable := b.User != "" && b.Password != ""
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		gotUser, gotPassword := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
		matches := subtle.ConstantTimeCompare(gotUser[:], wantUser[:]) & subtle.ConstantTimeCompare(gotPassword[:], wantPassword[:])
		if matches == 1 && usable {
			next.ServeHTTP(w, r)
			return
		}
		unauthorized(w)
	})
}
