//go:build long

package main

// deployRounds is how often TestLeaks_NoneAfterDeployingAndDeleting repeats.
const deployRounds = 100
