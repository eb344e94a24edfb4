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
INSERT INTO "calls" VALUES('c1','','','["agent", "customer"]','en','twilio',1700000000.0,'hangup',480000,'[{"transcribed": 320000, "silence": 152000, "paused": 0, "lost_upstream": 8000, "shed": 0, "withheld": 0}, {"transcribed": 0, "silence": 480000, "paused": 0, "lost_upstream": 0, "shed": 0, "withheld": 0}]');
INSERT INTO "calls" VALUES('acme/c1','','','["agent", "customer"]','en','twilio',1700000100.0,'hangup',480000,'[{"transcribed": 320000, "silence": 152000, "paused": 0, "lost_upstream": 8000, "shed": 0, "withheld": 0}, {"transcribed": 0, "silence": 480000, "paused": 0, "lost_upstream": 0, "shed": 0, "withheld": 0}]');
INSERT INTO "calls" VALUES('twice','','a1','["agent", "customer"]','en','twilio',1700000200.0,'hangup',480000,'[{"transcribed": 320000, "silence": 152000, "paused": 0, "lost_upstream": 8000, "shed": 0, "withheld": 0}, {"transcribed": 0, "silence": 480000, "paused": 0, "lost_upstream": 0, "shed": 0, "withheld": 0}]');
INSERT INTO "calls" VALUES('twice~2','','b2','["agent", "customer"]','en','twilio',1700000300.0,'',0,'[]');
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
INSERT INTO "gaps" VALUES('c1',1,24000,32000,'frames missing','lost_upstream');
CREATE TABLE keyword_lists (
	call_id VARCHAR(1024) NOT NULL, 
	revision INTEGER NOT NULL, 
	accepted JSON NOT NULL, 
	rejected JSON NOT NULL, 
	PRIMARY KEY (call_id, revision), 
	FOREIGN KEY(call_id) REFERENCES calls (call_id) ON DELETE CASCADE
);
INSERT INTO "keyword_lists" VALUES('c1',0,'["Acme"]','["<|x|>: only letters"]');
INSERT INTO "keyword_lists" VALUES('c1',1,'["Acme", "Orvanta"]','[]');
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
INSERT INTO "line_warnings" VALUES('acme/c1',1,'too_quiet',40000,'turn it up',-48.5,'dBFS');
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
INSERT INTO "quarantine" VALUES('outbox','1-0','c1',7,X'00FF207061796C6F6164','of another version','');
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
INSERT INTO "segments" VALUES('c1',0,0,0,8000,'final','thank you for calling Acme','','en',1,'["Acme"]','moonshine-base-en/int8','["loop_cut"]',12,340);
INSERT INTO "segments" VALUES('c1',1,0,4000,12000,'final','hello','','en',1,'[]','moonshine-base-en/int8','["loop_cut"]',12,340);
INSERT INTO "segments" VALUES('c1',1,1,40000,48000,'failed','','the engine gave up','',0,'[]','','[]',NULL,NULL);
INSERT INTO "segments" VALUES('c1',0,1,56000,64000,'dropped','','overload','',0,'[]','','[]',NULL,NULL);
INSERT INTO "segments" VALUES('c1',0,2,72000,80000,'final','goodbye','','en',1,'[]','moonshine-base-en/int8','["loop_cut"]',12,340);
INSERT INTO "segments" VALUES('acme/c1',0,0,0,8000,'final','the Acme invoice is overdue','','en',1,'["Acme"]','moonshine-base-en/int8','["loop_cut"]',12,340);
INSERT INTO "segments" VALUES('acme/c1',1,1,16000,24000,'final','naïve café','','en',1,'[]','moonshine-base-en/int8','["loop_cut"]',12,340);
INSERT INTO "segments" VALUES('twice',0,0,0,8000,'final','before the hold','','en',1,'[]','moonshine-base-en/int8','["loop_cut"]',12,340);
INSERT INTO "segments" VALUES('twice~2',0,0,0,8000,'final','after the hold','','en',1,'[]','moonshine-base-en/int8','["loop_cut"]',12,340);
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
INSERT INTO "words" VALUES('c1',0,0,0,'thank',0,800,0.5);
INSERT INTO "words" VALUES('c1',0,0,1,'you',NULL,NULL,NULL);
INSERT INTO "words" VALUES('c1',0,0,2,'for',NULL,NULL,NULL);
INSERT INTO "words" VALUES('c1',0,0,3,'calling',NULL,NULL,NULL);
INSERT INTO "words" VALUES('c1',0,0,4,'Acme',NULL,NULL,NULL);
INSERT INTO "words" VALUES('c1',1,0,0,'hello',4000,4800,0.5);
INSERT INTO "words" VALUES('c1',0,2,0,'goodbye',72000,72800,0.5);
INSERT INTO "words" VALUES('acme/c1',0,0,0,'the',0,800,0.5);
INSERT INTO "words" VALUES('acme/c1',0,0,1,'Acme',NULL,NULL,NULL);
INSERT INTO "words" VALUES('acme/c1',0,0,2,'invoice',NULL,NULL,NULL);
INSERT INTO "words" VALUES('acme/c1',0,0,3,'is',NULL,NULL,NULL);
INSERT INTO "words" VALUES('acme/c1',0,0,4,'overdue',NULL,NULL,NULL);
INSERT INTO "words" VALUES('acme/c1',1,1,0,'naïve',16000,16800,0.5);
INSERT INTO "words" VALUES('acme/c1',1,1,1,'café',NULL,NULL,NULL);
INSERT INTO "words" VALUES('twice',0,0,0,'before',0,800,0.5);
INSERT INTO "words" VALUES('twice',0,0,1,'the',NULL,NULL,NULL);
INSERT INTO "words" VALUES('twice',0,0,2,'hold',NULL,NULL,NULL);
INSERT INTO "words" VALUES('twice~2',0,0,0,'after',0,800,0.5);
INSERT INTO "words" VALUES('twice~2',0,0,1,'the',NULL,NULL,NULL);
INSERT INTO "words" VALUES('twice~2',0,0,2,'hold',NULL,NULL,NULL);
CREATE INDEX ix_calls_started_at ON calls (started_at);
CREATE INDEX ix_quarantine_call_id ON quarantine (call_id);
COMMIT;
