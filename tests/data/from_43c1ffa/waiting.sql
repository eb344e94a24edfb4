BEGIN TRANSACTION;
CREATE TABLE calls (
	call_id VARCHAR(1024) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	log VARCHAR(64) NOT NULL, 
	roles JSON NOT NULL, 
	language VARCHAR(8) NOT NULL, 
	dialect VARCHAR(32) NOT NULL, 
	started_at FLOAT NOT NULL, 
	ended_reason TEXT NOT NULL, 
	duration BIGINT NOT NULL, 
	channels JSON NOT NULL, 
	PRIMARY KEY (call_id)
);
INSERT INTO "calls" VALUES('waiting','','db962be594ed1e1e','["mixed"]','en','native',1.79584970452378869061e+09,'',0,'[]');
CREATE TABLE gaps (
	call_id VARCHAR(1024) NOT NULL, 
	channel INTEGER NOT NULL, 
	start BIGINT NOT NULL, 
	"end" BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	account VARCHAR(16) NOT NULL, 
	PRIMARY KEY (call_id, channel, start), 
	FOREIGN KEY(call_id) REFERENCES calls (call_id) ON DELETE CASCADE
);
CREATE TABLE keyword_lists (
	call_id VARCHAR(1024) NOT NULL, 
	revision INTEGER NOT NULL, 
	accepted JSON NOT NULL, 
	rejected JSON NOT NULL, 
	PRIMARY KEY (call_id, revision), 
	FOREIGN KEY(call_id) REFERENCES calls (call_id) ON DELETE CASCADE
);
CREATE TABLE line_warnings (
	call_id VARCHAR(1024) NOT NULL, 
	channel INTEGER NOT NULL, 
	fault VARCHAR(32) NOT NULL, 
	at BIGINT NOT NULL, 
	"check" TEXT NOT NULL, 
	measured FLOAT NOT NULL, 
	unit VARCHAR(32) NOT NULL, 
	PRIMARY KEY (call_id, channel, fault, at), 
	FOREIGN KEY(call_id) REFERENCES calls (call_id) ON DELETE CASCADE
);
CREATE TABLE quarantine (
	outbox VARCHAR(128) NOT NULL, 
	entry_id VARCHAR(64) NOT NULL, 
	call_id VARCHAR(1024) NOT NULL, 
	seq BIGINT, 
	payload BLOB NOT NULL, 
	reason TEXT NOT NULL, 
	log VARCHAR(64) NOT NULL, 
	PRIMARY KEY (outbox, entry_id)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(4);
CREATE TABLE segments (
	call_id VARCHAR(1024) NOT NULL, 
	channel INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	start BIGINT NOT NULL, 
	"end" BIGINT NOT NULL, 
	ending VARCHAR(16) NOT NULL, 
	text TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	language VARCHAR(8) NOT NULL, 
	keywords_revision INTEGER NOT NULL, 
	keywords_found JSON NOT NULL, 
	engine TEXT NOT NULL, 
	flags JSON NOT NULL, 
	waited_ms INTEGER, 
	engine_ms INTEGER, 
	PRIMARY KEY (call_id, channel, number), 
	FOREIGN KEY(call_id) REFERENCES calls (call_id) ON DELETE CASCADE
);
CREATE TABLE words (
	call_id VARCHAR(1024) NOT NULL, 
	channel INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	place INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	start BIGINT, 
	"end" BIGINT, 
	confidence FLOAT, 
	PRIMARY KEY (call_id, channel, number, place), 
	FOREIGN KEY(call_id) REFERENCES calls (call_id) ON DELETE CASCADE
);
CREATE INDEX ix_calls_started_at ON calls (started_at);
CREATE INDEX ix_quarantine_call_id ON quarantine (call_id);
COMMIT;
