def align(R,H,fold=True,ties="insertion",**k):
    out=[]
    memo={}
    for r,h in zip(R,H):
        if fold:
            f=lambda w: ''.join(chr(ord(c)+32) if 'A'<=c<='Z' else c for c in w)
            r=[f(x) for x in r]; h=[f(x) for x in h]
        n,m=len(r),len(h)
        D=[[0]*(m+1) for _ in range(n+1)]
        for i in range(n+1):
            for j in range(m+1):
                if i==0: D[i][j]=3*j
                elif j==0: D[i][j]=3*i
                else: D[i][j]=min(D[i-1][j-1]+(0 if r[i-1]==h[j-1] else 4), D[i][j-1]+3, D[i-1][j]+3)
        i,j=n,m;p=[]
        while i or j:
            if i and j and D[i][j]==D[i-1][j-1]+(0 if r[i-1]==h[j-1] else 4):
                p.append('C' if r[i-1]==h[j-1] else 'S'); i-=1;j-=1
            elif ties=="insertion":
                if j and D[i][j]==D[i][j-1]+3: p.append('I'); j-=1
                else: p.append('D'); i-=1
            else:
                if i and D[i][j]==D[i-1][j]+3: p.append('D'); i-=1
                else: p.append('I'); j-=1
        out.append(''.join(p[::-1]))
    return out
