-- needs: clock writes jobs wake edges telling
-- Goes on telling what is owed; answers how many jobs still owe.
tell_owed(call('LPOP', P .. 'owed'))
return call('LLEN', P .. 'owed')
