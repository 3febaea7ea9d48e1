//go:build long

package e2e

// deployRounds is how often TestLeaks_NoneAfterDeployingAndDeleting repeats.
const deployRounds = 100
