package api_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mmsgw/gateway/api"
)

func TestListen(t *testing.T) {
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), "another process answers") {
		t.Errorf("a second daemon: %v", err)
	}
	// A daemon that died leaves its socket behind.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	l, err = api.Listen(path)
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("over a file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("the file is gone")
	}
	if _, err := api.Listen(filepath.Join(dir, "none", "s")); err == nil {
		t.Error("in a directory that is not there: no error")
	}
}

// A connection without credentials of the kernel is nobody's.
func TestNoCredentials(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	w.http = &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
	defer w.close(served)
	req, _ := http.NewRequest("GET", "http://"+l.Addr().String()+"/v1/events", nil)
	res, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("HTTP %d", res.StatusCode)
	}
}

// More connections than the limit wait; none is dropped.
func TestConnectionLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 1,025 connections")
	}
	w := open(t)
	conns := make([]net.Conn, 1025)
	for i := range conns {
		c, err := net.Dial("unix", w.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	ask := func(c net.Conn) {
		if _, err := c.Write([]byte("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	last := conns[len(conns)-1]
	ask(last) // stays in the kernel's queue
	ask(conns[0])
	if _, err := conns[0].Read(make([]byte, 1)); err != nil {
		t.Fatalf("a connection within the limit: %v", err)
	}
	last.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, _ := last.Read(make([]byte, 1)); n > 0 {
		t.Error("a connection over the limit is answered")
	}
	last.SetReadDeadline(time.Time{})
	conns[1].Close()
	if _, err := last.Read(make([]byte, 1)); err != nil {
		t.Errorf("the connection over the limit, after one left: %v", err)
	}
}
