package admin

// This file holds the commands that change what runs.

// reload has the program read its configuration again.
func (c *conn) reload(*statement) ([][]any, error) {
	reload := c.console.options.Load().Reload
	if reload == nil {
		return nil, fail(codeConfigFile, "there is no configuration to reload")
	}
	c.console.log.Info("RELOAD by an administrator", "user", c.caller.user)
	if err := reload(); err != nil {
		return nil, fail(codeConfigFile, "the configuration stays as it was: %v", err)
	}
	return nil, nil
}
