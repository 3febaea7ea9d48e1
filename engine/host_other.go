//go:build !linux

package engine

import (
	"io"

	"faas-docker/function"
)

// Claim does nothing where sockets need a file.
func (e *Engine) Claim() (io.Closer, error) { return io.NopCloser(nil), nil }

// hostSwap is not known elsewhere.
func hostSwap() (function.Swap, error) { return function.Swap{}, nil }

// hostProcessors is not known elsewhere.
func hostProcessors() function.Processors { return function.Processors{} }
