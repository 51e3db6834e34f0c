-- How often a run has ended its process with nobody else in it: at the third time it is a dead letter, whatever its policy.
alter table tappet.runs add column crashes int not null default 0;
