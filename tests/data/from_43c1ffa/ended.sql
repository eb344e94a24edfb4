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
INSERT INTO "calls" VALUES('whole','','a873b9b476249f71','["mixed"]','en','native',1.79584968375414681437e+09,'completed',130502,'[{"transcribed": 118720, "silence": 11782, "paused": 0, "lost_upstream": 0, "shed": 0, "withheld": 0}]');
INSERT INTO "calls" VALUES('both-sides','','1c435418ace64b3d','["agent", "customer"]','en','native',1.79584968767540168769e+09,'completed',130502,'[{"transcribed": 118720, "silence": 11782, "paused": 0, "lost_upstream": 0, "shed": 0, "withheld": 0}, {"transcribed": 118720, "silence": 11782, "paused": 0, "lost_upstream": 0, "shed": 0, "withheld": 0}]');
INSERT INTO "calls" VALUES('failed','','24dcdb8607e6eef0','["mixed"]','en','native',1.79584969375993704792e+09,'completed',130502,'[{"transcribed": 118720, "silence": 11782, "paused": 0, "lost_upstream": 0, "shed": 0, "withheld": 0}]');
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
INSERT INTO "keyword_lists" VALUES('failed',0,'["fails"]','[]');
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
INSERT INTO "line_warnings" VALUES('both-sides',1,'dual_mono',8000,'This channel carries the same audio as another: check that the bridge sends one party on each channel, and not the mix on both.',100.0,'% alike');
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
INSERT INTO "segments" VALUES('whole',0,0,0,47200,'final','59 tenths','','en',0,'[]','length-teller','[]',48,42);
INSERT INTO "segments" VALUES('whole',0,1,50240,95680,'final','57 tenths','','en',0,'[]','length-teller','[]',454,27);
INSERT INTO "segments" VALUES('whole',0,2,99200,125280,'final','33 tenths','','en',0,'[]','length-teller','[]',58,1);
INSERT INTO "segments" VALUES('both-sides',0,0,0,47200,'final','59 tenths','','en',0,'[]','length-teller','[]',468,60);
INSERT INTO "segments" VALUES('both-sides',1,0,0,47200,'final','59 tenths','','en',0,'[]','length-teller','[]',467,60);
INSERT INTO "segments" VALUES('both-sides',0,1,50240,95680,'final','57 tenths','','en',0,'[]','length-teller','[]',78,4);
INSERT INTO "segments" VALUES('both-sides',1,1,50240,95680,'final','57 tenths','','en',0,'[]','length-teller','[]',119,7);
INSERT INTO "segments" VALUES('both-sides',0,2,99200,125280,'final','33 tenths','','en',0,'[]','length-teller','[]',103,3);
INSERT INTO "segments" VALUES('both-sides',1,2,99200,125280,'final','33 tenths','','en',0,'[]','length-teller','[]',143,0);
INSERT INTO "segments" VALUES('failed',0,0,0,47200,'failed','','told to fail','',0,'[]','','[]',NULL,NULL);
INSERT INTO "segments" VALUES('failed',0,1,50240,95680,'failed','','told to fail','',0,'[]','','[]',NULL,NULL);
INSERT INTO "segments" VALUES('failed',0,2,99200,125280,'failed','','told to fail','',0,'[]','','[]',NULL,NULL);
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
INSERT INTO "words" VALUES('whole',0,0,0,'59',NULL,NULL,NULL);
INSERT INTO "words" VALUES('whole',0,0,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('whole',0,1,0,'57',NULL,NULL,NULL);
INSERT INTO "words" VALUES('whole',0,1,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('whole',0,2,0,'33',NULL,NULL,NULL);
INSERT INTO "words" VALUES('whole',0,2,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',0,0,0,'59',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',0,0,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',1,0,0,'59',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',1,0,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',0,1,0,'57',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',0,1,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',1,1,0,'57',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',1,1,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',0,2,0,'33',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',0,2,1,'tenths',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',1,2,0,'33',NULL,NULL,NULL);
INSERT INTO "words" VALUES('both-sides',1,2,1,'tenths',NULL,NULL,NULL);
CREATE INDEX ix_calls_started_at ON calls (started_at);
CREATE INDEX ix_quarantine_call_id ON quarantine (call_id);
COMMIT;
