package proxy

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/textproto"
	"strconv"

	"golang.org/x/net/http2"
)

// receive reads the link until it ends. Calls are woken when nothing more can be
// read at once: an answer that has come as a whole is passed on as a whole.
func (l *link) receive() {
	for {
		frame, err := l.framer.ReadFrame()
		if err == nil {
			err = l.take(frame)
		}
		var broken http2.StreamError
		if errors.As(err, &broken) {
			l.refuse(broken)
			err = nil
		}
		if err != nil {
			l.fail(explainFraming(err))
			return
		}
		if !l.hasFrame() {
			l.wakeTouched()
		}
	}
}

// explainFraming tells a connection that ended from one that breaks the rules.
func explainFraming(err error) error {
	var broken http2.ConnectionError
	if errors.As(err, &broken) || errors.Is(err, http2.ErrFrameTooLarge) || errors.Is(err, errBadAnswer) {
		return fmt.Errorf("%w: %w", errBadAnswer, err)
	}
	if errors.Is(err, errRefused) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", errDied, err)
}

// hasFrame reports whether a frame can be read without waiting. It may say no when
// it could say yes.
func (l *link) hasFrame() bool {
	const size = 9
	if l.reader.Buffered() < size {
		return false
	}
	b, _ := l.reader.Peek(size)
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	head, whole := http2.FrameType(b[3]) == http2.FrameHeaders, http2.Flags(b[4]).Has(http2.FlagHeadersEndHeaders)
	return l.reader.Buffered() >= size+length && (whole || !head)
}

func (l *link) wakeTouched() {
	if len(l.touched) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.touched {
		s.touched = false
		s.wake()
		l.touched[i] = nil
	}
	l.touched = l.touched[:0]
}

// touch wakes the stream soon.
func (l *link) touch(s *stream) {
	if !s.touched {
		s.touched = true
		l.touched = append(l.touched, s)
	}
}

// refuse ends a stream that breaks the rules; the others go on.
func (l *link) refuse(broken http2.StreamError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.streams[broken.StreamID]; s != nil {
		s.reset(broken.Code, fmt.Errorf("%w: %w", errBadAnswer, broken))
	}
}

// take acts on a frame.
func (l *link) take(frame http2.Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard++
	return l.handle(frame)
}

// handle is take, with mu held. An error that is no http2.StreamError ends the
// link.
func (l *link) handle(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		return l.handleHead(f)
	case *http2.DataFrame:
		return l.handleData(f)
	case *http2.RSTStreamFrame:
		return l.handleReset(f)
	case *http2.WindowUpdateFrame:
		return l.handleWindow(f)
	case *http2.SettingsFrame:
		return l.handleSettings(f)
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		return l.reply(l.framer.WritePing(true, f.Data))
	case *http2.GoAwayFrame:
		l.handleGoAway(f)
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// reply sends what the function makes us say, unless it does not listen.
func (l *link) reply(err error) error {
	if len(l.waiting) > maxReplies {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	l.writing(err)
	return nil
}

// known returns a stream that is under way, or nil for one that was.
func (l *link) known(id uint32) (*stream, error) {
	if s := l.streams[id]; s != nil {
		return s, nil
	}
	if id%2 == 0 || id >= l.nextID {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil, nil
}

func malformed(s *stream, format string, args ...any) error {
	return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol, Cause: fmt.Errorf(format, args...)}
}

func (l *link) handleHead(f *http2.MetaHeadersFrame) error {
	s, err := l.known(f.StreamID)
	if s == nil || s.ended {
		return err
	}
	l.touch(s)
	switch {
	case f.Truncated:
		return malformed(s, "head of more than %d bytes", maxHead)
	case s.answered:
		return s.addTrailers(f)
	}
	code, err := strconv.Atoi(f.PseudoValue("status"))
	if err != nil || code < 100 || code > 999 || len(f.PseudoFields()) != 1 {
		return malformed(s, "status %.80q", f.PseudoValue("status"))
	}
	if code < http.StatusOK {
		return s.addInterim(code, f)
	}
	s.fields = l.canonicalize(f, s.fields[:0])
	h := head{code: code, fields: s.fields, length: -1}
	if err := h.measure(); err != nil {
		return malformed(s, "%w", err)
	}
	if !h.bodyless(s.method) {
		s.left = h.length
	}
	if f.StreamEnded() {
		if err := s.finishAnswer(); err != nil {
			return err
		}
	}
	s.answer, s.answered = h, true
	return nil
}

// measure finds out how long the body will be, and which fields are not for the
// client.
func (h *head) measure() error {
	for _, f := range h.fields {
		if f.key != "Content-Length" && f.key != "Connection" {
			continue
		}
		if err := h.note(f); err != nil {
			return err
		}
	}
	return nil
}

// canonicalize appends the fields of a frame, spelled as in HTTP/1.
func (l *link) canonicalize(f *http2.MetaHeadersFrame, fields []field) []field {
	for _, received := range f.RegularFields() {
		key, known := l.canonical[received.Name]
		if !known {
			key = textproto.CanonicalMIMEHeaderKey(received.Name)
			if len(l.canonical) < maxNames {
				l.canonical[received.Name] = key
			}
		}
		fields = append(fields, field{key, received.Value})
	}
	return fields
}

func (s *stream) addInterim(code int, f *http2.MetaHeadersFrame) error {
	s.informed++
	if s.informed > maxInformational || f.StreamEnded() || code == http.StatusSwitchingProtocols {
		return malformed(s, "interim answer %d, the %dth", code, s.informed)
	}
	if code != http.StatusContinue {
		s.interim = append(s.interim, head{code: code, fields: s.link.canonicalize(f, nil), length: -1})
	}
	return nil
}

func (s *stream) addTrailers(f *http2.MetaHeadersFrame) error {
	if !f.StreamEnded() || len(f.PseudoFields()) > 0 {
		return malformed(s, "a second head")
	}
	s.trailers = s.link.canonicalize(f, nil)
	return s.finishAnswer()
}

// finishAnswer notes that all of the answer has come.
func (s *stream) finishAnswer() error {
	if s.left > 0 {
		return malformed(s, "its body is %d bytes shorter than announced", s.left)
	}
	s.ended = true
	if s.sent {
		s.link.forget(s)
	}
	return nil
}

func (l *link) handleData(f *http2.DataFrame) error {
	length := int64(f.Length)
	if l.allowance -= length; l.allowance < 0 {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	// What one client does not take must not keep the others waiting: only the
	// windows of streams wait for clients.
	if l.received += length; l.received >= linkWindow/4 {
		l.allowance += l.received
		l.writing(l.framer.WriteWindowUpdate(0, uint32(l.received)))
		l.received = 0
	}
	s, err := l.known(f.StreamID)
	if s == nil || s.ended {
		return err
	}
	l.touch(s)
	return s.addData(f)
}

func (s *stream) addData(f *http2.DataFrame) error {
	data := f.Data()
	if !s.answered {
		return malformed(s, "a body without a head")
	}
	if s.allowance -= int64(f.Length); s.allowance < 0 {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl, Cause: errors.New("more than it was allowed to send")}
	}
	if s.left >= 0 && int64(len(data)) > s.left {
		return malformed(s, "its body is longer than announced")
	}
	if s.left >= 0 {
		s.left -= int64(len(data))
	}
	s.body = append(s.body, data...)
	// Padding is taken at once.
	s.taken += int64(f.Length) - int64(len(data))
	if f.StreamEnded() {
		return s.finishAnswer()
	}
	return nil
}

// handleReset ends a stream that the function does not go on with.
func (l *link) handleReset(f *http2.RSTStreamFrame) error {
	s, err := l.known(f.StreamID)
	if s == nil {
		return err
	}
	err = fmt.Errorf("%w: it reset the stream: %v", errDied, f.ErrCode)
	if f.ErrCode == http2.ErrCodeRefusedStream && !s.answered {
		err = fmt.Errorf("%w: %w", errStale, errRefused)
	}
	s.abort(err)
	l.forget(s)
	return nil
}

func (l *link) handleWindow(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if l.window += int64(f.Increment); l.window > math.MaxInt32 {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		l.unblock()
		return nil
	}
	s, err := l.known(f.StreamID)
	if s == nil {
		return err
	}
	if s.window += int64(f.Increment); s.window > math.MaxInt32 {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl, Cause: errors.New("window too large")}
	}
	notify(s.writable)
	return nil
}

func (l *link) handleSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if err := f.ForeachSetting(l.set); err != nil {
		return err
	}
	return l.reply(l.framer.WriteSettingsAck())
}

func (l *link) set(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case http2.SettingMaxConcurrentStreams:
		l.peer.streams = s.Val
	case http2.SettingMaxFrameSize:
		l.peer.frame = min(int(s.Val), maxWaiting)
	case http2.SettingMaxHeaderListSize:
		l.peer.head = uint64(s.Val)
	case http2.SettingHeaderTableSize:
		l.encoder.SetMaxDynamicTableSize(min(s.Val, http2DefaultTable))
	case http2.SettingInitialWindowSize:
		return l.resize(int64(s.Val))
	}
	return nil
}

// resize changes what the function takes of every body.
func (l *link) resize(window int64) error {
	change := window - l.peer.window
	l.peer.window = window
	for _, s := range l.streams {
		if s.window += change; s.window > math.MaxInt32 {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
	}
	l.unblock()
	return nil
}

// handleGoAway lets no further call begin. Those that the function has not begun
// with can go to another link.
func (l *link) handleGoAway(f *http2.GoAwayFrame) {
	l.gone.Store(true)
	for id, s := range l.streams {
		if id > f.LastStreamID {
			s.abort(fmt.Errorf("%w: %w: it goes away: %v", errStale, errRefused, f.ErrCode))
			delete(l.streams, id)
		}
	}
	if len(l.streams) == 0 {
		l.end(errDied)
	}
}
