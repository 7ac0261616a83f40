package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

const (
	// maxBody bounds a request: a configuration of some ten thousand ports.
	maxBody = 1 << 20
	// maxHeader is ample for the headers of curl and of Client.
	maxHeader = 16 << 10

	// A client is on the same machine; one that takes longer is stuck.
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	idleTimeout   = time.Minute
	// writeTimeout includes the work: an apply of a thousand ports.
	writeTimeout = 5 * time.Minute
)

// Server answers the control API from a [Backend].
type Server struct {
	backend Backend
	log     zerolog.Logger
	http    *http.Server

	stopping context.Context // ends with Shutdown: streams do not end by themselves
	stop     context.CancelFunc
}

// NewServer makes a server; [Server.Serve] starts it.
func NewServer(b Backend, log zerolog.Logger) *Server {
	s := &Server{backend: b, log: log}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(logWriter{log}, "", 0),
	}
	return s
}

// Serve answers requests until Shutdown, and closes l. It gives nil after Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops accepting, lets requests finish until ctx ends, and then
// cuts the connections.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	err := s.http.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// ServeHTTP answers one request; Serve is the way to use it outside of tests.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }

// reply is what a call gives: a body to show, or none.
type reply struct {
	status   int
	body     any
	location string
	// stream writes the body in place of all that, for as long as it lasts.
	stream func(ctx context.Context, w io.Writer) error
}

// call answers one request. An error becomes a reply of its own.
type call func(r *http.Request) (reply, error)

// answer runs the call and writes what comes of it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, c call) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	rep, err := c(r)
	if err != nil {
		rep = s.failure(r, err)
	}
	if rep.stream != nil {
		if rep, err = s.stream(w, r, rep.stream); err == nil {
			return
		}
	}
	s.log.Debug().Str("method", r.Method).Str("path", r.URL.Path).Int("status", rep.status).Msg("control request")
	if rep.location != "" {
		w.Header().Set("Location", rep.location)
	}
	if rep.body == nil {
		w.WriteHeader(rep.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(rep.status)
	if err := json.NewEncoder(w).Encode(rep.body); err != nil {
		s.log.Debug().Err(err).Msg("control client went away")
	}
}

// stream answers with what f writes. An error before the first byte becomes a
// reply; one after it ends the connection in the middle.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, f func(context.Context, io.Writer) error) (reply, error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	out := &streamWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	// It may last as long as the client wants.
	_ = out.control.SetWriteDeadline(time.Time{})
	err := f(ctx, out)
	switch {
	case err == nil && !out.begun: // an end before the first byte is none yet
		out.begin()
	case err != nil && !out.begun:
		return s.failure(r, err), err
	case err != nil:
		s.log.Debug().Err(err).Msg("stream ended")
		panic(http.ErrAbortHandler)
	}
	return reply{}, nil
}

// streamWriter sends every write at once.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (w *streamWriter) begin() {
	w.begun = true
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
}

func (w *streamWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.begin()
	}
	n, err := w.ResponseWriter.Write(p)
	if err == nil {
		err = w.control.Flush()
	}
	return n, err
}

func (s *Server) failure(r *http.Request, err error) reply {
	status := StatusOf(err)
	if status >= http.StatusInternalServerError {
		s.log.Error().Err(err).Str("method", r.Method).Str("path", r.URL.Path).Msg("control request failed")
	}
	return reply{status: status, body: Failure{oneLine(err.Error())}}
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// logWriter passes net/http's complaints on.
type logWriter struct{ log zerolog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Warn().Msg(oneLine(string(p)))
	return len(p), nil
}
