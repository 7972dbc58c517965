package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Format is a form in which another gateway keeps what can be moved in.
type Format struct {
	// Name is what it is called on the command line, Label what people call it.
	Name, Label string
	// knows tells by a file's content whether it has this form.
	knows func(*source) bool
	// read adds what the file has to the plan.
	read func(*draft, *source)
}

// Formats are all that are known. A file is read as the first that knows it.
var Formats = []Format{
	{"cliproxyapi", "CLIProxyAPI", knowsCLIProxyAPI, readCLIProxyAPI},
	{"litellm", "LiteLLM", knowsLiteLLM, readLiteLLM},
	{"gpt-load", "gpt-load", knowsGPTLoad, readGPTLoad},
	{"one-api", "One API, New API", knowsOneAPI, readOneAPI},
	{"sub2api", "sub2api", knowsSub2API, readSub2API},
	{"cursor-api", "cursor-api", knowsCursorAPI, readCursorAPI},
}

// Names are those of the formats.
func Names() []string {
	names := make([]string, 0, len(Formats))
	for _, each := range Formats {
		names = append(names, each.Name)
	}
	return names
}

// FileError says what is wrong with a file.
type FileError struct{ File, Problem string }

func (e *FileError) Error() string {
	if e.File == "" {
		return e.Problem
	}
	return e.File + ": " + e.Problem
}

// ReadFiles makes a plan of files, which are of one gateway or of several. An empty format is found
// out for each of them. Errors are *FileError.
func ReadFiles(files []File, format string) (Plan, error) {
	if len(files) == 0 {
		return Plan{}, &FileError{"", "a file is missing"}
	}
	d := newDraft()
	size := 0
	for _, file := range files {
		file.Name = shown(path.Base(strings.ReplaceAll(file.Name, `\`, "/")))
		if size += len(file.Content); size > MaxFile {
			return Plan{}, &FileError{file.Name, fmt.Sprintf("the files have more than %d MiB together", MaxFile>>20)}
		}
		if err := d.readFile(file, format); err != nil {
			return Plan{}, &FileError{file.Name, err.Error()}
		}
	}
	plan := d.finish()
	if len(plan.Items) > maxItems {
		return Plan{}, &FileError{"", fmt.Sprintf("there are more than %d things in it: move them in in parts", maxItems)}
	}
	return plan, nil
}

var errForeign = errors.New("it is in no form that can be moved in; known are " + labels())

func labels() string {
	return "CLIProxyAPI, LiteLLM, gpt-load, One API, New API, sub2api and cursor-api"
}

func (d *draft) readFile(file File, format string) error {
	s, err := open(file)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(Formats, func(each Format) bool {
		if format != "" {
			return each.Name == format
		}
		return each.knows(s)
	})
	switch {
	case at < 0 && format != "":
		return fmt.Errorf("there is no format %q; there is %s", format, strings.Join(Names(), ", "))
	case at < 0:
		return errForeign
	case !Formats[at].knows(s):
		return fmt.Errorf("it has not the form of %s", Formats[at].Label)
	}
	d.file = file.Name
	d.plan.Files = append(d.plan.Files, Read{file.Name, Formats[at].Name})
	Formats[at].read(d, s)
	return nil
}

// byteOrderMark begins files of some editors.
var byteOrderMark = []byte("\xef\xbb\xbf")

// trimmed is text without what editors add.
func trimmed(content []byte) []byte { return bytes.TrimSpace(bytes.TrimPrefix(content, byteOrderMark)) }
