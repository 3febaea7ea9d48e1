package engine

import (
	"fmt"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types/registry"
)

// dockerHub is the name under which "docker login" keeps the credentials of
// docker.io.
const dockerHub = "https://index.docker.io/v1/"

// credentials returns what the user's Docker configuration, its credential
// helpers included, holds for the registry of an image, encoded for the engine's
// API. It is empty when there is nothing. A configuration that cannot be read is
// logged and not fatal: public images need none.
func (e *Engine) credentials(image reference.Named) string {
	encoded, err := readCredentials(e.configDir, image)
	if err != nil {
		e.logger.Warn("registry credentials not readable: pulling without", "image", image.String(), "err", err)
	}
	return encoded
}

func readCredentials(dir string, image reference.Named) (string, error) {
	file, err := config.Load(dir)
	if err != nil {
		return "", fmt.Errorf("read Docker's config.json: %w", err)
	}
	key := reference.Domain(image)
	if key == "docker.io" {
		key = dockerHub
	}
	found, err := file.GetAuthConfig(key)
	if err != nil {
		return "", fmt.Errorf("ask for the credentials of %q: %w", key, err)
	}
	auth := registry.AuthConfig{
		Username:      found.Username,
		Password:      found.Password,
		Auth:          found.Auth,
		ServerAddress: found.ServerAddress,
		IdentityToken: found.IdentityToken,
		RegistryToken: found.RegistryToken,
	}
	if auth.Username == "" && auth.Auth == "" && auth.IdentityToken == "" && auth.RegistryToken == "" {
		return "", nil
	}
	encoded, err := registry.EncodeAuthConfig(auth)
	if err != nil {
		return "", fmt.Errorf("encode the credentials of %q: %w", key, err)
	}
	return encoded, nil
}
