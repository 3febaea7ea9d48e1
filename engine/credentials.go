package engine

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/docker/api/types/registry"
)

// dockerHub is the name under which "docker login" keeps the credentials of
// docker.io.
const dockerHub = "https://index.docker.io/v1/"

// credentialsTimeout bounds the reading of credentials: a helper may ask a person, and
// there is none.
const credentialsTimeout = 10 * time.Second

// credentials are what the user's Docker configuration holds for one registry.
type credentials struct {
	// encoded is what the engine's API wants; empty when there are none.
	encoded string
	// origin says for people where they come from, or that there are none.
	origin string
	// trouble is why they could not be read. That is not fatal: public images need none.
	trouble error
}

// credentials reads what the user's Docker configuration, its credential helpers
// included, holds for the registry of an image.
func (i *Images) credentials(image reference.Named) credentials {
	found := credentialsWithin(credentialsTimeout, i.configDir, image)
	if found.trouble != nil {
		found.origin = fmt.Sprintf("its credentials could not be read: %v (variable docker_config)", found.trouble)
		i.logger.Warn("registry credentials not readable: pulling without", "image", image.String(), "err", found.trouble)
	}
	return found
}

// credentialsWithin leaves a helper alone that takes longer.
func credentialsWithin(limit time.Duration, dir string, image reference.Named) credentials {
	read := make(chan credentials, 1)
	go func() { read <- readCredentials(dir, image) }()
	select {
	case found := <-read:
		return found
	case <-time.After(limit):
		return credentials{trouble: fmt.Errorf("%s, or the credential helper that it names, has not answered within %s", configPath(dir), limit)}
	}
}

func configPath(dir string) string {
	return filepath.Join(cmp.Or(dir, config.Dir()), config.ConfigFileName)
}

func readCredentials(dir string, image reference.Named) credentials {
	path := configPath(dir)
	file, err := config.Load(dir)
	if err != nil {
		return credentials{trouble: fmt.Errorf("read the configuration of Docker: %w", err)}
	}
	key := reference.Domain(image)
	if key == "docker.io" {
		key = dockerHub
	}
	found, err := file.GetAuthConfig(key)
	if err != nil {
		return credentials{trouble: explainHelper(file, key, path, err)}
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
		return credentials{origin: fmt.Sprintf("%s has no credentials for it (variable docker_config)", path)}
	}
	encoded, err := registry.EncodeAuthConfig(auth)
	if err != nil {
		return credentials{trouble: fmt.Errorf("encode the credentials of %q: %w", key, err)}
	}
	return credentials{encoded: encoded, origin: fmt.Sprintf("it was asked with the credentials of %q in %s (variable docker_config)", cmp.Or(auth.Username, "a token"), path)}
}

// explainHelper names the helper that did not give credentials.
func explainHelper(file *configfile.ConfigFile, key, path string, err error) error {
	helper := "docker-credential-" + file.CredentialsStore
	if named := file.CredentialHelpers[key]; named != "" {
		helper = "docker-credential-" + named
	}
	// The helpers' client passes on the text alone.
	if strings.Contains(err.Error(), exec.ErrNotFound.Error()) {
		return fmt.Errorf("the credential helper %s, which %s names, is not where the provider runs: log in with a configuration that needs none (docker --config DIR login) and name its folder", helper, path)
	}
	return fmt.Errorf("the credential helper %s, which %s names: %w", helper, path, err)
}

// remark continues a sentence about a pull that failed, if the credentials may be the
// reason: when access was refused, or when they could not be read.
func (c credentials) remark(refused bool) string {
	if c.origin == "" || !refused && c.trouble == nil {
		return ""
	}
	return "; " + c.origin
}
