package admincli

import (
	"bufio"
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

var errNoKey = errors.New("no key: set CAROUSEL_KEY to the admin token, or name a file that holds it with --key-file or CAROUSEL_KEY_FILE (- is the first line of standard input)")

// connect makes the client of the gateway that the command line names. Who sits at a terminal and
// has not given the key is asked for it.
func (s *session) connect(ctx context.Context) error {
	key, err := s.givenKey(ctx)
	if errors.Is(err, errNoKey) && s.keyFile == "" && s.Terminal.Typed() {
		key, err = s.askForKey(ctx)
	}
	if err != nil {
		return err
	}
	s.api, err = newClient(s.address, key)
	return err
}

// givenKey never takes the key from the command line, where every process of the
// machine could read it.
func (s *session) givenKey(ctx context.Context) (secret.Value, error) {
	switch {
	case s.keyFile == "-" && s.Terminal.Typed():
		return s.askForKey(ctx)
	case s.keyFile == "-":
		return s.keyFromInput()
	case s.keyFile != "":
		content, err := os.ReadFile(s.keyFile)
		if err != nil {
			return secret.Value{}, fmt.Errorf("the key's file: %w", err)
		}
		return keyOf(string(content))
	}
	for _, name := range []string{"CAROUSEL_KEY", "AUTH_TOKEN"} { // a container of the gateway has the latter
		if value := s.Getenv(name); value != "" {
			return keyOf(value)
		}
	}
	return secret.Value{}, errNoKey
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
