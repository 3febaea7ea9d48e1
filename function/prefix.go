package function

import "context"

// prefixKey is where a context keeps the prefix of one call.
type prefixKey struct{}

// WithPrefix returns a context for a call whose path the function sees without this
// beginning, which it is told as X-Forwarded-Prefix. Empty means that nothing was taken off.
func WithPrefix(ctx context.Context, prefix string) context.Context {
	return context.WithValue(ctx, prefixKey{}, prefix)
}

// PrefixFrom returns what WithPrefix has kept, and whether it has kept anything.
func PrefixFrom(ctx context.Context) (prefix string, known bool) {
	prefix, known = ctx.Value(prefixKey{}).(string)
	return prefix, known
}
