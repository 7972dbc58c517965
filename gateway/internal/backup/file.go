// Package backup makes backups and restores them: sealed files outside, records of the tokenstore
// inside. The passphrase never leaves the gateway.
package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The file is one of age with a passphrase, which seals its content in chunks, and its end, so that
// nothing can be changed or cut off. The content is a line that says what it is, and then each
// record with its length in front.

const (
	// intro is the first line of age's files, title that of the content.
	intro = "age-encryption.org/v1\n"
	title = "carousel backup\n"
)

const (
	// workFactor is the base-2 logarithm of scrypt's work: 64 MiB of memory, a fifth of a second.
	workFactor = 16
	// maxRecord bounds one record, in bytes.
	maxRecord = 2 << 20
)

// Errors of files that can't be read.
var (
	ErrPassphrase = errors.New("the passphrase is not the one that the file was sealed with")
	ErrForeign    = errors.New("the file is no backup of Carousel's")
	ErrDamaged    = errors.New("the file is damaged: it was cut off or changed")
	ErrNewer      = errors.New("the file was sealed by a newer Carousel, with more work than this one does")
)

// vault seals and opens files, one at a time: each takes much memory to begin with.
type vault struct {
	turn chan struct{}
	// work is the base-2 logarithm of scrypt's, and the most that is taken.
	work int
}

func newVault(work int) *vault { return &vault{turn: make(chan struct{}, 1), work: work} }

// alone runs what needs the memory, unless ctx ends before its turn.
func (v *vault) alone(ctx context.Context, run func() error) error {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-v.turn }()
	return run()
}

// sealed writes records into a file.
type sealed struct{ content io.WriteCloser }

// seal begins a file.
func (v *vault) seal(ctx context.Context, file io.Writer, passphrase secret.Value) (*sealed, error) {
	recipient, err := age.NewScryptRecipient(passphrase.Reveal())
	if err != nil {
		return nil, fmt.Errorf("seal a backup: %w", err)
	}
	recipient.SetWorkFactor(v.work)
	var content io.WriteCloser
	err = v.alone(ctx, func() (err error) {
		content, err = age.Encrypt(file, recipient)
		return err
	})
	if err == nil {
		_, err = io.WriteString(content, title)
	}
	if err != nil {
		return nil, fmt.Errorf("seal a backup: %w", err)
	}
	return &sealed{content}, nil
}

func (s *sealed) write(record *tokenstorev1.BackupRecord) error {
	if _, err := protodelim.MarshalTo(s.content, record); err != nil {
		return fmt.Errorf("seal a backup: %w", err)
	}
	return nil
}

// close ends the file. Without it the file is one that was cut off.
func (s *sealed) close() error {
	if err := s.content.Close(); err != nil {
		return fmt.Errorf("seal a backup: %w", err)
	}
	return nil
}

// opened reads the records of a file.
type opened struct{ content *bufio.Reader }

// open begins to read a file.
func (v *vault) open(ctx context.Context, file io.Reader, passphrase secret.Value) (*opened, error) {
	identity, err := age.NewScryptIdentity(passphrase.Reveal())
	if err != nil {
		return nil, ErrPassphrase
	}
	identity.SetMaxWorkFactor(v.work)
	source := bufio.NewReader(file)
	if begin, _ := source.Peek(len(intro)); string(begin) != intro {
		return nil, ErrForeign
	}
	var content io.Reader
	err = v.alone(ctx, func() (err error) {
		content, err = age.Decrypt(source, identity)
		return err
	})
	if err != nil {
		return nil, whyNot(ctx, err)
	}
	o := &opened{bufio.NewReader(content)}
	head := make([]byte, len(title))
	switch _, err := io.ReadFull(o.content, head); {
	case err != nil:
		return nil, ErrDamaged
	case string(head) != title:
		return nil, ErrForeign
	}
	return o, nil
}

// whyNot words why a file can't be opened. One of age's errors that are told apart has no type.
func whyNot(ctx context.Context, err error) error {
	var mismatch *age.NoIdentityMatchError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(err.Error(), "work factor too large"):
		return ErrNewer
	case !errors.As(err, &mismatch):
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case len(mismatch.StanzaTypes) != 1 || mismatch.StanzaTypes[0] != "scrypt":
		return ErrForeign
	default:
		return ErrPassphrase
	}
}

// next returns the next record and about how many bytes it has; io.EOF behind the last one of a
// whole file.
func (o *opened) next() (*tokenstorev1.BackupRecord, int, error) {
	record := &tokenstorev1.BackupRecord{}
	err := protodelim.UnmarshalOptions{MaxSize: maxRecord}.UnmarshalFrom(o.content, record)
	if err == nil {
		return record, proto.Size(record), nil
	}
	if err == io.EOF { //nolint:errorlint // an end that is wrapped is not the end
		return nil, 0, io.EOF
	}
	return nil, 0, ErrDamaged
}
