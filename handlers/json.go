package handlers

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"faas-docker/function"
)

// maxBody bounds a request body, in bytes.
const maxBody = 4 << 20

// read decodes a request's body: one JSON object of at most limit bytes.
func read[T any](w http.ResponseWriter, r *http.Request, limit int64) (sent T, err error) {
	body, err := readBody(w, r, limit)
	if err == nil {
		err = decode(body, &sent)
	}
	return sent, err
}

// readBody returns the whole body, or an http.MaxBytesError when it is larger than limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig || r.Context().Err() != nil {
			return nil, err
		}
		return nil, &function.Failure{Kind: function.ErrInvalid, Text: "body: it broke off before its end", Cause: err}
	}
	return bytes.TrimSpace(body), nil
}

// decode reads one JSON object. Unknown fields are let pass: clients are newer than we are.
func decode(body []byte, into any) error {
	if len(body) == 0 {
		return function.Invalid("body", "missing: want a JSON object")
	}
	// encoding/json would replace the bytes silently, and a secret would be lost.
	if !utf8.Valid(body) {
		return function.Invalid("body", "not UTF-8: JSON must be; binary secrets go base64-encoded into rawValue")
	}
	return explainJSON(json.Unmarshal(body, into))
}

// explainJSON turns a decoder's error into one that names the field.
func explainJSON(err error) error {
	if err == nil {
		return nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return function.Invalid("body", "not JSON at byte %d: %s", syntax.Offset, syntax.Error())
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// "number 1.5" would show a value that may be secret.
		got, _, _ := strings.Cut(wrong.Value, " ")
		return function.Invalid(cmp.Or(wrong.Field, "body"), "found JSON %s where %s is wanted", got, describe(wrong.Type))
	}
	if at, ok := errors.AsType[base64.CorruptInputError](err); ok {
		return function.Invalid("rawValue", "not base64 at byte %d", int64(at))
	}
	return fmt.Errorf("decode body: %w", err)
}

func describe(t reflect.Type) string {
	if t == reflect.TypeFor[[]byte]() {
		return "a base64-encoded string"
	}
	kinds := map[reflect.Kind]string{
		reflect.String: "a string", reflect.Bool: "true or false", reflect.Slice: "an array",
		reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Uint64: "a whole number",
	}
	return cmp.Or(kinds[t.Kind()], "an object")
}

// writeJSON answers with v. It returns an error, with nothing written, only when v cannot be
// encoded. Nothing is escaped for HTML, for people who read rules with an arrow in them.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n"))) // an error means that the caller left
	return nil
}
