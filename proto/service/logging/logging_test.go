package logging_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"carousel.internal/proto/service/logging"
)

func TestCheckLog(t *testing.T) {
	if problems := logging.Default().CheckLog(); len(problems) > 0 {
		t.Errorf("the default is refused: %v", problems)
	}
	problems := logging.Options{LogLevel: "loud", LogFormat: "xml"}.CheckLog()
	if len(problems) != 2 || !strings.HasPrefix(problems[0].Error(), "log_level: ") || !strings.HasPrefix(problems[1].Error(), "log_format: ") {
		t.Errorf("problems %v", problems)
	}
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		config logging.Options
		want   string
	}{
		{logging.Default(), `"msg":"told"`},
		{logging.Options{LogLevel: "debug", LogFormat: "text"}, "msg=told"},
	} {
		var output bytes.Buffer
		log := c.config.Logger(&output)
		log.Info("told")
		log.Debug("detail")
		if !strings.Contains(output.String(), c.want) || strings.Contains(output.String(), "detail") != (c.config.Level() == slog.LevelDebug) {
			t.Errorf("%+v wrote %s", c.config, output.String())
		}
	}
}
