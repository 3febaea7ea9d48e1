//go:build !linux

package engine

import "io"

// Claim does nothing where sockets need a file.
func (e *Engine) Claim() (io.Closer, error) { return io.NopCloser(nil), nil }
