-- A journal of the first format, as that release wrote it.
PRAGMA application_id=1129073201;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE items (
    row      INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,   -- i:<id>, else d:<digest>; r:<position> if refused
    digest   TEXT NOT NULL,          -- of the content of an i: item; the id of an r: item that has one
    copies   INTEGER NOT NULL,       -- items of the last run with this digest
    run      INTEGER NOT NULL,       -- the last run that read it,
    position INTEGER NOT NULL,       -- and its place in that run's input, from 0
    sends    INTEGER NOT NULL,       -- how often it was sent
    settled  INTEGER NOT NULL,       -- which send the result is of; 0 without one
    kind     INTEGER,                -- of the result: 0 failed, 1 answered, 2 refused
    doubt    INTEGER NOT NULL,       -- 1: failed, but a provider may have done the work
    record   TEXT                    -- the answer or the error as JSON
);
INSERT INTO "items" VALUES(1,'i:a','49e9fcfb5617aad332d56d58ffd0c702-00000000',1,2,0,1,1,1,0,'{"content":"<one>","token_usage":[4,2,6,null,null],"finish_reason":"stop","cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"raw":{"$tuple":[1,{"$bytes":"/w=="}]}}}');
INSERT INTO "items" VALUES(2,'d:b85d38dc71a8027700bebd3c30d39424-00000000','',2,2,1,1,1,1,0,'{"content":"<two>","token_usage":[4,2,6,null,null],"finish_reason":"stop","cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"raw":{"$tuple":[1,{"$bytes":"/w=="}]}}}');
INSERT INTO "items" VALUES(4,'d:b85d38dc71a8027700bebd3c30d39424-00000000#2','',1,2,2,1,1,1,0,'{"content":"<two>","token_usage":[4,2,6,null,null],"finish_reason":"stop","cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"raw":{"$tuple":[1,{"$bytes":"/w=="}]}}}');
INSERT INTO "items" VALUES(5,'i:c','cbfeda2b1f044ccca4ea9dac0fe08a34-00000000',1,2,3,2,2,0,0,'{"type":"ServerError","message":"overloaded","backend":"gpt","status":503,"retryable":true,"maybe_received":false,"attempts":[["gpt","overloaded",0.5,false,true]]}');
INSERT INTO "items" VALUES(7,'i:d','02921de0ba559c7c64e594dc948ea39c-00000000',1,2,5,2,2,0,1,'{"type":"BackendTimeoutError","message":"late","backend":"gpt","retryable":true,"maybe_received":true}');
INSERT INTO "items" VALUES(8,'d:dd04afac1bebb050783a245ed0d88633-00000000','',1,2,6,1,1,1,0,'{"content":"<tool>","tool_calls":[["1","f",{"a":1},"{\"a\":1}"]],"token_usage":[4,2,6,null,null],"finish_reason":"stop","cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"raw":{"$tuple":[1,{"$bytes":"/w=="}]}}}');
INSERT INTO "items" VALUES(9,'i:e','e5e8c3406566e85f5c10e40ac37626fa-00000000',1,2,7,1,1,1,0,'{"content":"<parsed>","token_usage":[4,2,6,null,null],"finish_reason":"stop","parsed":{"claims":["wages"]},"cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"raw":{"$tuple":[1,{"$bytes":"/w=="}]}}}');
INSERT INTO "items" VALUES(10,'i:f','89a286b358d0aa6053e715b39ff65615-00000000',1,2,8,1,1,1,0,'{"content":"<cut>","token_usage":[4,2,6,null,null],"finish_reason":"length","cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"raw":{"$tuple":[1,{"$bytes":"/w=="}]}}}');
INSERT INTO "items" VALUES(11,'d:99e5095aacce94d035c31d3e08425401-00000000','',1,2,9,1,1,1,0,'{"content":"<demo>","token_usage":[4,2,6,null,null],"finish_reason":"stop","cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"demo":true}}');
INSERT INTO "items" VALUES(12,'i:ü','2653a9f1574959593b104e2d02e695a2-00000000',1,2,10,1,1,1,0,'{"content":"<zw\u00f6lf>","token_usage":[4,2,6,null,null],"finish_reason":"stop","cost":0.25,"backend":"gpt","model":"m","attempts":[["gpt",null,0.25,false,true]],"metadata":{"raw":{"$tuple":[1,{"$bytes":"/w=="}]}}}');
INSERT INTO "items" VALUES(13,'r:4','',1,2,4,0,0,2,0,'{"type":"LineError","message":"line 5: not JSON"}');
INSERT INTO "items" VALUES(14,'d:5fe54cb625ec1b66513f1c9211392048-00000000','',1,2,11,1,0,NULL,0,NULL);
CREATE TABLE runs (run INTEGER PRIMARY KEY, started TEXT NOT NULL);
INSERT INTO "runs" VALUES(1,'2026-11-27T18:37:51Z');
INSERT INTO "runs" VALUES(2,'2026-11-27T18:37:51Z');
COMMIT;
