package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"carillon"
	"carillon/apps/simulator"
)

type appRunCmd struct {
	Dir                  string   `arg:"" help:"The app's directory." type:"path"`
	Listen               string   `help:"Answer on this address; port 0 picks a free one." default:"127.0.0.1:10001" placeholder:"HOST:PORT"`
	HTTP                 bool     `help:"Speak plain HTTP, as a tunnel wants it, instead of HTTPS with a certificate of the program's own." name:"http"`
	AllowHost            []string `help:"Answer requests for this host as well as those for localhost: a tunnel's name." placeholder:"NAME"`
	AllowPrivateRequests bool     `help:"Let requests of the app go to addresses that are not public."`
	JSON                 bool     `help:"Print the coverage as JSON."`
}

// appGrace is how long a stop waits for handlers in hand.
const appGrace = 2 * time.Second

// Run serves the pages of the app until it is interrupted; then it says which handlers ran.
func (c *appRunCmd) Run(ctx context.Context, d *desk) (err error) {
	if err := appDirectory(c.Dir); err != nil {
		return err
	}
	listener, err := listenOn(ctx, c.Listen, false)
	if err != nil {
		return err
	}
	s := &appSession{cmd: c, desk: d, scheme: "https", settings: new(simulator.Settings)}
	if c.HTTP {
		s.scheme = "http"
	}
	s.address = s.scheme + "://" + browserAddress(listener.Addr())
	s.shop, err = openLocalShop(ctx, localShopConfig{
		URL: s.address, AllowPrivate: c.AllowPrivateRequests, Settings: s.settings, Observe: s.tell, Log: d.log,
	})
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer func() { err = errors.Join(err, s.shop.close(context.WithoutCancel(ctx))) }()
	coverage, err := s.run(ctx, listener)
	if err != nil {
		return err
	}
	return s.printCoverage(coverage)
}

// appSession is one run of the pages of an app.
type appSession struct {
	cmd      *appRunCmd
	desk     *desk
	scheme   string
	address  string // where a browser finds the pages
	settings *simulator.Settings
	shop     *localShop

	mu sync.Mutex // one talks at a time
}

// browserAddress is how a browser on this machine names a listener: localhost, which the certificate names and people know.
func browserAddress(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// run serves until ctx ends, and gives which handlers ran. It owns the listener.
func (s *appSession) run(ctx context.Context, listener net.Listener) (simulator.Coverage, error) {
	folder, err := simulator.NewFolder(simulator.FolderConfig{
		Files: os.DirFS(s.cmd.Dir), Name: appName(s.cmd.Dir), Shelf: s.shop, Org: localOrg, Checks: s.shop.Checks(),
	})
	if err == nil {
		err = folder.Load(ctx)
	}
	if err != nil {
		_ = listener.Close()
		return simulator.Coverage{}, err
	}
	stopping := make(chan struct{})
	server, listener, err := s.server(folder, listener, stopping)
	if err != nil {
		_ = listener.Close()
		return simulator.Coverage{}, err
	}
	desks, stopDesks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDesks()
	working, desks := errgroup.WithContext(desks)
	working.Go(func() error { return s.shop.Run(desks) })
	working.Go(func() error { return folder.Run(desks) })
	working.Go(func() error { return s.tellState(desks, folder) })
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	fmt.Fprintf(s.desk.stdout, "listening on %s/web/test\n", s.address)
	select {
	case <-ctx.Done():
		err = nil
	case <-desks.Done():
	case err = <-serving:
		err = fmt.Errorf("serve: %w", err)
	}
	close(stopping)
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), appGrace)
	defer cancel()
	if server.Shutdown(waiting) != nil {
		_ = server.Close() // a handler is still at work: it is stopped with the workshop
	}
	stopDesks()
	if err := errors.Join(err, working.Wait()); err != nil {
		return simulator.Coverage{}, err
	}
	return folder.Coverage(context.WithoutCancel(ctx))
}

// server makes the server of the pages and the URLs of external events, and the listener that it wants.
func (s *appSession) server(folder *simulator.Folder, listener net.Listener, stopping <-chan struct{}) (*http.Server, net.Listener, error) {
	pages, err := simulator.NewLocal(simulator.LocalConfig{
		Desk: s.shop, Folder: folder, Org: localOrg, Settings: s.settings, Hosts: s.cmd.AllowHost, Logger: s.desk.log, Stopping: stopping,
	})
	if err != nil {
		return nil, listener, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.Handle("/app-hooks/", s.shop)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.desk.log.Handler(), slog.LevelDebug),
	}
	if s.cmd.HTTP {
		return server, listener, nil
	}
	certificate, err := simulator.NewCertificate(time.Now())
	if err != nil {
		return nil, listener, err
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	server.Handler = simulator.ToHTTPS(s.cmd.AllowHost, mux)
	return server, simulator.NewListener(listener, server.TLSConfig), nil
}

// tell shows what a handler did.
func (s *appSession) tell(i *carillon.Invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = printInvocation(s.desk.stderr, i) // to a terminal, which may have gone
}

// tellState shows how the files are, at first and whenever they have changed.
func (s *appSession) tellState(ctx context.Context, folder *simulator.Folder) error {
	changed, stop := folder.Watch()
	defer stop()
	for told := int64(0); ; {
		if state := folder.State(); state.Version != told {
			s.printState(state, told == 0)
			told = state.Version
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (s *appSession) printState(state simulator.State, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.desk.stderr
	if len(state.Findings) > 0 {
		_ = printFindings(w, state.Findings) // to a terminal, which may have gone
	}
	switch {
	case state.Err != "" && state.Errors() == 0:
		fmt.Fprintf(w, "%s cannot be installed: %s\n", appName(s.cmd.Dir), state.Err)
	case state.Err != "" && state.App != "":
		fmt.Fprintf(w, "%s has %s; the app goes on as it was\n", appName(s.cmd.Dir), countFindings(state.Findings))
	case state.Err != "":
		fmt.Fprintf(w, "%s has %s; it is installed as soon as they are mended\n", appName(s.cmd.Dir), countFindings(state.Findings))
	case !first:
		fmt.Fprintf(w, "%s was installed anew\n", appName(s.cmd.Dir))
	}
}

// printCoverage says which handlers ran.
func (s *appSession) printCoverage(c simulator.Coverage) error {
	if s.cmd.JSON {
		for _, h := range c.Handlers {
			if err := printJSON(s.desk.stdout, h); err != nil {
				return err
			}
		}
		return nil
	}
	if len(c.Handlers) == 0 {
		return nil
	}
	list := table{header: []string{"HANDLER", "RUNS", "EVENTS"}}
	for _, h := range c.Handlers {
		runs := "never"
		if h.Runs > 0 {
			runs = fmt.Sprint(h.Runs)
		}
		list.add(h.Handler, runs, strings.Join(h.Events, ", "))
	}
	if err := list.print(s.desk.stdout); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.desk.stdout, "handlers run: %d of %d (%d%%)\n", c.Ran(), len(c.Handlers), 100*c.Ran()/len(c.Handlers))
	return err
}
