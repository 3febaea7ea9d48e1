package function

// The annotations, or labels, that restrict calls to a function by its name, also in gRPC calls.
const (
	// KeyExpose is ExposeEverywhere or ExposeRoutes; empty means everywhere.
	KeyExpose = "com.openfaas.expose"
	// KeyAuth is a chain of filters that ask for credentials, as rules of routes have
	// them: basicAuth("/etc/faas-docker/htpasswd").
	KeyAuth = "com.openfaas.auth"
)

// The values of KeyExpose.
const (
	ExposeEverywhere = "everywhere"
	// ExposeRoutes closes a function by its name to all but functions. Routes lead to it as before.
	ExposeRoutes = "routes"
)

// IsClosed reports whether only functions and routes may call the function. What
// cannot be understood is an ErrInvalid that names it; such a function is closed.
func (s Spec) IsClosed() (bool, error) {
	text, field, _ := s.Metadata().Find(KeyExpose)
	switch text {
	case "", ExposeEverywhere:
		return false, nil
	case ExposeRoutes:
		return true, nil
	}
	return true, Invalid(field, "%q: want %s or %s", text, ExposeRoutes, ExposeEverywhere)
}

// AuthFilters returns the chain of filters that ask for credentials, and the field
// that it stands in; it is empty when the function asks for none.
func (s Spec) AuthFilters() (text, field string) {
	text, field, _ = s.Metadata().Find(KeyAuth)
	return text, field
}
