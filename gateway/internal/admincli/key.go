package admincli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"carousel.internal/proto/service/secret"
)

// maxKey bounds what is read of a key, in bytes.
const maxKey = 64 << 10

var errNoKey = errors.New("no key: set CAROUSEL_KEY to the admin token, name a file that holds it with --key-file or CAROUSEL_KEY_FILE (- is the first line of standard input), or keep it with `admin context add`")

// connect makes the client of the gateway that the command line names. Who sits at a terminal and
// has not given the key is asked for it.
func (s *session) connect(ctx context.Context) error {
	if err := s.locate(); err != nil {
		return err
	}
	return s.connectBy(ctx, s.givenOrTypedKey)
}

func (s *session) connectBy(ctx context.Context, getKey func(context.Context) (secret.Value, error)) error {
	key, err := getKey(ctx)
	if err == nil {
		s.api, err = newClient(s.address, key)
	}
	return err
}

func (s *session) givenOrTypedKey(ctx context.Context) (secret.Value, error) {
	key, err := s.givenKey(ctx)
	if errors.Is(err, errNoKey) && s.keyFileName() == "" && s.Terminal.Typed() {
		return s.askForKey(ctx)
	}
	return key, err
}

// keyToKeep is the key of a context that is to be kept. It may be another gateway's, and so is
// never the one that a gateway here has.
func (s *session) keyToKeep(ctx context.Context) (secret.Value, error) {
	if s.keyFileName() != "" {
		return s.keyFromFile(ctx, s.keyFileName())
	}
	key, err := keyOf(s.Getenv("CAROUSEL_KEY"))
	if errors.Is(err, errNoKey) && s.Terminal.Typed() {
		return s.askForKey(ctx)
	}
	return key, err
}

// givenKey never takes the key from the command line, where every process of the
// machine could read it.
func (s *session) givenKey(ctx context.Context) (secret.Value, error) {
	switch {
	case s.contextName != "" && s.keyFile == "": // what is named goes before the environment
		return keyOf(s.contextKey)
	case s.keyFileName() != "":
		return s.keyFromFile(ctx, s.keyFileName())
	}
	// A container of the gateway has AUTH_TOKEN.
	return keyOf(cmp.Or(s.Getenv("CAROUSEL_KEY"), s.contextKey, s.Getenv("AUTH_TOKEN")))
}

// keyFileName is the file that holds the key; empty where none is named.
func (s *session) keyFileName() string { return cmp.Or(s.keyFile, s.Getenv("CAROUSEL_KEY_FILE")) }

func (s *session) keyFromFile(ctx context.Context, name string) (secret.Value, error) {
	switch {
	case name == "-" && s.Terminal.Typed():
		return s.askForKey(ctx)
	case name == "-":
		return s.keyFromInput()
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return secret.Value{}, fmt.Errorf("the key's file: %w", err)
	}
	return keyOf(string(content))
}

func (s *session) askForKey(ctx context.Context) (secret.Value, error) {
	typed, err := s.Terminal.ReadHidden(ctx, "Admin token: ")
	if err != nil {
		return secret.Value{}, err
	}
	return keyOf(typed)
}

// keyFromInput reads the first line of standard input, and leaves the others to the command.
func (s *session) keyFromInput() (secret.Value, error) {
	input := bufio.NewReaderSize(s.Stdin, maxKey)
	s.Stdin = input
	line, err := firstLine(input)
	if err != nil {
		return secret.Value{}, fmt.Errorf("the key can't be read from standard input: %w", err)
	}
	return keyOf(line)
}

// firstLine reads a line, which may be the last one and without an end. It has no more than the
// reader's buffer.
func firstLine(input *bufio.Reader) (string, error) {
	line, err := input.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func keyOf(text string) (secret.Value, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return secret.Value{}, errNoKey
	}
	return secret.New(text), nil
}
