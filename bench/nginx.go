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
	folder := filepath.Join(s.folder, "nginx")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return fmt.Errorf("make nginx' folder: %w", err)
	}
	conf, err := renderNginx(map[string]string{"Folder": folder, "Plain": plain, "GRPC": grpc, "Hello": hello, "RPC": rpc})
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, conf, 0o644); err != nil {
		return fmt.Errorf("write nginx.conf: %w", err)
	}
	p, err := s.start(ctx, plain, nil, "nginx", "-p", folder, "-c", file, "-e", filepath.Join(folder, "error.log"))
	if err != nil {
		return err
	}
	s.targets = append(s.targets, target{name: nginx, base: "http://" + plain + "/function/hello", rpc: grpc, pid: p.pid()})
	return nil
}

func renderNginx(values map[string]string) ([]byte, error) {
	conf, err := template.New("nginx.conf").Parse(nginxConf)
	if err != nil {
		return nil, fmt.Errorf("read nginx.conf: %w", err)
	}
	var text bytes.Buffer
	if err := conf.Execute(&text, values); err != nil {
		return nil, fmt.Errorf("fill in nginx.conf: %w", err)
	}
	return text.Bytes(), nil
}
