package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed nginx.conf
var nginxConf string

//go:embed Caddyfile
var caddyfile string

// startNginx starts nginx before both functions, with connections kept to them.
func (s *stage) startNginx(ctx context.Context, hello, rpc string) error {
	plain, err := freeAddress()
	if err != nil {
		return err
	}
	grpc, err := freeAddress()
	if err != nil {
		return err
	}
	folder, file, err := s.configure("nginx", nginxConf, map[string]string{"Plain": plain, "GRPC": grpc, "Hello": hello, "RPC": rpc})
	if err != nil {
		return err
	}
	p, err := s.start(ctx, plain, nil, "nginx", "-p", folder, "-c", file, "-e", filepath.Join(folder, "error.log"))
	if err != nil {
		return err
	}
	s.targets = append(s.targets, target{name: nginx, base: "http://" + plain + "/function/hello", h2c: "http://" + grpc + "/function/hello", rpc: grpc, pid: p.pid()})
	return nil
}

// startCaddy starts Caddy before the function.
func (s *stage) startCaddy(ctx context.Context, hello string) error {
	plain, err := freeAddress()
	if err != nil {
		return err
	}
	folder, file, err := s.configure("caddy", caddyfile, map[string]string{"Plain": plain, "Hello": hello})
	if err != nil {
		return err
	}
	p, err := s.start(ctx, plain, []string{"HOME=" + folder}, "caddy", "run", "--adapter", "caddyfile", "--config", file)
	if err != nil {
		return err
	}
	s.targets = append(s.targets, target{name: caddy, base: "http://" + plain + "/function/hello", pid: p.pid()})
	return nil
}

// configure makes a program's folder, and in it the file of its configuration.
func (s *stage) configure(program, text string, values map[string]string) (folder, file string, err error) {
	folder = filepath.Join(s.folder, program)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", "", fmt.Errorf("make the folder of %s: %w", program, err)
	}
	values["Folder"] = folder
	conf, err := render(text, values)
	if err != nil {
		return "", "", fmt.Errorf("configure %s: %w", program, err)
	}
	file = filepath.Join(folder, "configuration")
	if err := os.WriteFile(file, conf, 0o644); err != nil {
		return "", "", fmt.Errorf("write the configuration of %s: %w", program, err)
	}
	return folder, file, nil
}

// render fills values into a configuration.
func render(text string, values map[string]string) ([]byte, error) {
	conf, err := template.New("configuration").Parse(text)
	if err != nil {
		return nil, err
	}
	var filled bytes.Buffer
	err = conf.Execute(&filled, values)
	return filled.Bytes(), err
}
