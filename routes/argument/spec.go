package argument

import "fmt"

// Maker makes conditions, or filters, of one name.
type Maker[T any] struct {
	name, shape, usage string
	create             func(args []any) (T, error)
}

// Spec returns a Maker that checks arguments against a shape, as Match does, before it makes
// something of them. The usage shows how it is written.
func Spec[T any](name, shape, usage string, create func(args []any) (T, error)) Maker[T] {
	return Maker[T]{name, shape, usage, create}
}

// Name is how rules call it.
func (m Maker[T]) Name() string { return m.name }

// Create makes one for arguments.
func (m Maker[T]) Create(args []any) (T, error) {
	if !Match(m.shape, args) {
		var none T
		return none, fmt.Errorf("want %s", m.usage)
	}
	return m.create(args)
}
