-- needs: clock writes jobs wake edges telling
-- Goes on telling what is owed; answers how many jobs still owe.
tell_owed()
return call('LLEN', P .. 'owed')
