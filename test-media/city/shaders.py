"""GLSL of the renderer. Lighting is linear and roughly physical: one sun, a sky, street and head lamps."""

LIGHT = """
uniform vec3 camPos, sunDir, sunCol, skyZen, skyHor, bounce, hazeCol;
uniform float hazeDensity, wet, seed;
uniform int nLights;
uniform vec4 lPos[28];   // xyz, w: 1 street lamp (downwards), 2 spot
uniform vec4 lCol[28];   // rgb, w: cosine of a spot's half angle
uniform vec3 lDir[28];
float hash(vec2 p){ vec3 q=fract(vec3(p.xyx)*.1031); q+=dot(q,q.yzx+33.33); return fract((q.x+q.y)*q.z); }
float noise(vec2 p){ vec2 i=floor(p),f=fract(p); f=f*f*(3.-2.*f);
  return mix(mix(hash(i),hash(i+vec2(1,0)),f.x),mix(hash(i+vec2(0,1)),hash(i+vec2(1,1)),f.x),f.y); }
float fbm(vec2 p){ float s=0.,a=.5; for(int i=0;i<4;i++){ s+=a*noise(p); p=p*2.03+17.; a*=.5; } return s; }
vec3 sky(vec3 d){ float t=pow(clamp(d.z,0.,1.),.55); vec3 c=mix(skyHor,skyZen,t);
  float m=max(dot(d,sunDir),0.); return c+sunCol*(.04*pow(m,8.)+.25*pow(m,200.)); }
vec3 ambient(vec3 n){ float t=n.z*.5+.5; return mix(bounce,mix(skyHor,skyZen,.55),t)*(.55+.45*t); }
vec3 lamps(vec3 p, vec3 n){ vec3 s=vec3(0);
  for(int i=0;i<nLights;i++){ vec3 d=lPos[i].xyz-p; float r2=dot(d,d); vec3 l=d*inversesqrt(r2);
    float k = lPos[i].w<1.5 ? smoothstep(.15,.75,l.z) : smoothstep(lCol[i].w,lCol[i].w+.12,dot(-l,lDir[i]));
    s+=lCol[i].rgb*k*max(dot(n,l),0.)/(r2+4.); } return s; }
vec3 haze(vec3 c, float dist){ return mix(hazeCol,c,exp(-dist*hazeDensity)); }
"""

SHADOW = """
uniform mat4 sunVP;
const vec2 DISC[12]=vec2[](vec2(-.33,-.41),vec2(.53,-.16),vec2(-.14,.45),vec2(.75,.48),vec2(-.80,.11),vec2(.17,-.86),
  vec2(.32,.93),vec2(-.62,-.74),vec2(-.57,.75),vec2(.93,-.33),vec2(.05,-.02),vec2(.38,.31));
float shadow(sampler2D map, vec3 p, float bias, float radius, int taps, vec2 frag){
  vec3 s=(sunVP*vec4(p,1)).xyz*.5+.5; if(any(lessThan(s.xy,vec2(.002)))||any(greaterThan(s.xy,vec2(.998)))) return 1.;
  float a=6.2832*hash(frag+seed), c=cos(a), t=sin(a), v=0.; float z=s.z-bias;
  for(int i=0;i<taps;i++){ vec2 o=mat2(c,t,-t,c)*DISC[i]*radius; v+=step(z,texture(map,s.xy+o).r); }
  return v/float(taps); }
"""

STATIC_VS = """#version 330
in vec3 in_pos; in vec3 in_nrm; in vec3 in_col; in float in_mat; in vec2 in_uv;
uniform mat4 vp; uniform float mirror;
out vec3 pos, nrm, col; out float mat; out vec2 uv;
void main(){ pos=in_pos; nrm=in_nrm; col=in_col; mat=in_mat; uv=in_uv;
  vec3 p=in_pos; if(mirror>.5) p.z=-p.z; gl_Position=vp*vec4(p,1); }"""

# materials: 0 plain 1 asphalt 2 paving 3 plaster 4 glass 5 leaves 6 sign texture 7 road marking 8 lit at night 9 soil
STATIC_FS = "#version 330\n" + LIGHT + SHADOW + """
in vec3 pos, nrm, col; in float mat; in vec2 uv;
uniform sampler2D staticMap, signTex; uniform float lit, mirror, night;
layout(location=0) out vec4 oA; layout(location=1) out vec4 oS;
void main(){
  if(mirror>.5 && pos.z<.02) discard;
  int m=int(mat+.5); vec3 n=normalize(nrm); vec3 v=normalize(camPos-pos); float dist=length(camPos-pos);
  if(mirror<.5 && dot(n,v)<0.) n=-n;
  vec3 a=pow(col,vec3(2.2)); float gloss=0., ground=0., emis=0.;
  if(m==1){ float g=fbm(pos.xy*.9), f=noise(pos.xy*14.), lane=noise(vec2(pos.x*.05,pos.y*.05)+3.);
    a*=.80+.35*g+.16*(f-.5)+.12*(lane-.5); float crack=smoothstep(.035,.0,abs(fbm(pos.xy*.35+9.)-.47)); a*=1.-.22*crack;
    float stain=smoothstep(.62,.78,fbm(pos.xy*.22+40.)); a*=1.-.25*stain; ground=1.; }
  else if(m==2){ vec2 t=pos.xy/.4; vec2 f=abs(fract(t)-.5); float e=smoothstep(.44,.49,max(f.x,f.y));
    a*=(.85+.25*hash(floor(t)))*(1.-.35*e)*(.85+.3*fbm(pos.xy*.6)); ground=.6; }
  else if(m==3){ a*=.82+.30*fbm(vec2(pos.x+pos.y,pos.z)*vec2(.7,.9))-.12*smoothstep(1.5,.0,pos.z); }
  else if(m==5){ a*=.55+.9*hash(floor(pos.xy*3.)+floor(pos.z*3.)); }
  else if(m==6){ vec4 s=texture(signTex,uv); a=pow(s.rgb,vec3(2.2)); emis=.9*lit; }
  else if(m==7){ float w=fbm(pos.xy*3.1)*.7+.3*noise(pos.xy*22.); a=mix(vec3(.045),a,smoothstep(.16,.45,w)*.9); ground=1.; }
  else if(m==8){ emis=2.2*lit; }
  else if(m==9){ a*=.7+.6*fbm(pos.xy*2.); }
  if(wet>.01 && ground>0.) a*=mix(1.,.55,wet);
  vec3 A=a*(ambient(n)+lamps(pos,n)); vec3 S=vec3(0); float ndl=dot(n,sunDir);
  if(m==5) ndl=.5*ndl+.5;                       // leaves let light through
  float vis=mirror>.5?1.:shadow(staticMap,pos,m==5?.0016:.0006,.0007,12,gl_FragCoord.xy);
  S=a*sunCol*max(ndl,0.)*vis;
  if(m==4){ vec3 r=reflect(-v,n); float F=.05+.95*pow(1.-max(dot(n,v),0.),5.); vec3 e=r.z>0.?sky(r):bounce*.6;
    float b=hash(floor(pos.xy*.9)+floor(pos.z*.6)); A=a*.3*ambient(n)+e*(F+.10); S*=.2;
    if(night>.5 && b>.55) A+=vec3(1.,.72,.38)*.5*(b-.3); }
  A+=a*emis; if(m==8) A+=a*emis;
  if(mirror>.5) A+=S;
  oA=vec4(A,mirror>.5?dist:ground); oS=vec4(S,dist); }"""

FULL_VS = """#version 330
in vec2 in_pos; out vec2 uv; void main(){ uv=in_pos*.5+.5; gl_Position=vec4(in_pos,0,1); }"""

SKY_FS = "#version 330\n" + LIGHT + """
in vec2 uv; uniform mat4 invVP; uniform float cover;
layout(location=0) out vec4 oA; layout(location=1) out vec4 oS;
void main(){ vec4 q=invVP*vec4(uv*2.-1.,1,1); vec3 d=normalize(q.xyz/q.w-camPos); vec3 c=sky(d);
  vec2 p=d.xy/(max(d.z,.02)+.15)*1.3+seed; float f=smoothstep(1.-cover-.25,1.-cover+.35,fbm(p)+.25*fbm(p*3.));
  vec3 cl=mix(skyHor*1.05,vec3(dot(skyHor,vec3(.33)))*1.25+sunCol*.12,fbm(p*2.+5.)); c=mix(c,cl,f*smoothstep(0.,.12,d.z)*.85);
  oA=vec4(c,0); oS=vec4(0); }"""

AO_FS = "#version 330\n" + LIGHT + """
in vec2 uv; uniform sampler2D depthTex; uniform mat4 invVP; uniform vec2 texel; uniform float focal; out vec4 o;
vec3 at(vec2 u){ vec4 q=invVP*vec4(vec3(u,texture(depthTex,u).r)*2.-1.,1); return q.xyz/q.w; }
void main(){ if(texture(depthTex,uv).r>=1.){ o=vec4(1); return; }
  vec3 p=at(uv); vec3 n=normalize(cross(dFdx(p),dFdy(p))); if(dot(n,camPos-p)<0.) n=-n; float d=length(p-camPos);
  float s=0.; float a0=6.28*hash(gl_FragCoord.xy);
  for(int i=0;i<20;i++){ float r=1.3*sqrt((float(i)+.5)/20.), a=a0+2.399*float(i); vec2 u=uv+vec2(cos(a),sin(a))*r*focal/d*texel;
    vec3 w=at(u)-p; float l=length(w); s+=max(dot(n,w)/(l+1e-3)-.12,0.)*smoothstep(2.6,.4,l); }
  o=vec4(clamp(1.-s/20.*1.7,.25,1.)); }"""

COMPOSITE_FS = "#version 330\n" + LIGHT + SHADOW + """
in vec2 uv; uniform sampler2D texA, texS, depthTex, aoTex, dynMap, reflTex; uniform mat4 invVP; uniform float sunScale, time;
out vec4 o;
void main(){ float z=texture(depthTex,uv).r; vec4 A=texture(texA,uv), S=texture(texS,uv); gl_FragDepth=z;
  vec3 c=A.rgb;
  if(z<1.){ vec4 q=invVP*vec4(vec3(uv,z)*2.-1.,1); vec3 p=q.xyz/q.w;
    float sh=dot(S.rgb,vec3(1))>.003?shadow(dynMap,p,.0009,.0006,6,gl_FragCoord.xy):1.;
    vec2 ao=texture(aoTex,uv).rg; c=A.rgb*ao.r+S.rgb*sh*sunScale;
#ifdef WET
    if(A.a>.01){ vec3 v=normalize(camPos-p); float F=.03+.97*pow(1.-max(v.z,0.),5.);
      float pud=smoothstep(.40,.62,fbm(p.xy*.30+11.)); float k=clamp((F*1.5+.07)*mix(.35,1.,pud)*wet*A.a*1.6,0.,.75);
      vec2 j=vec2(noise(p.xy*5.+time)-.5,noise(p.xy*4.+40.)-.5)*.006; vec3 r=vec3(0); float b=mix(.020,.006,pud);
      float h0=hash(gl_FragCoord.xy+time);
      for(int i=0;i<6;i++) r+=texture(reflTex,uv+j+vec2((hash(gl_FragCoord.xy+float(i))-.5)*.004,b*((float(i)+h0)/3.-1.))).rgb;
      c=mix(c,r/6.,k); }
#endif
    c=haze(c,S.a); }
  o=vec4(c,1); }"""

OBJ_VS = """#version 330
in vec3 in_pos; in vec3 in_nrm; in vec2 in_uv; in float in_slot; in float in_bone;
uniform mat4 vp, model; uniform mat4 bones[10]; uniform float mirror; uniform vec4 crop;
out vec3 pos, nrm, loc; out vec2 uv; out float slot;
void main(){ mat4 b=bones[int(in_bone+.5)]; vec4 l=b*vec4(in_pos,1); loc=l.xyz; vec4 w=model*l; pos=w.xyz; nrm=mat3(model)*(mat3(b)*in_nrm);
  uv=in_uv; slot=in_slot; if(mirror>.5) w.z=-w.z; gl_Position=vp*w; gl_Position.xy=gl_Position.xy*crop.xy+crop.zw*gl_Position.w; }"""

OBJ_FS = "#version 330\n" + LIGHT + SHADOW + """
in vec3 pos, nrm, loc; in vec2 uv; in float slot;
uniform vec4 pal[20]; uniform sampler2DArray texA, texB; uniform sampler2D staticMap, dynMap; uniform float layer, headOn, tailOn, brake, mirror, sunScale, dirt;
uniform vec3 fwd; uniform uint id;
layout(location=0) out vec4 o; layout(location=1) out uint oId;
vec3 env(vec3 r){ if(r.z<-.02) return bounce*.9; float az=atan(r.y,r.x); float h=.10+.30*noise(vec2(az*5.,2.));
  vec3 b=mix(bounce*.7,skyHor*.45,.5+.5*sin(az*9.)); return mix(b,sky(r),smoothstep(h-.04,h+.04,r.z)); }
void main(){
  if(mirror>.5 && pos.z<.02) discard;
  vec3 n=normalize(nrm), v=normalize(camPos-pos); float dist=length(camPos-pos);
  if(mirror<.5 && dot(n,v)<0.) n=-n;
  int s=int(slot+.5); vec3 a; float gloss, glass=0., head=0., tail=0.;
  if(s==0 && layer>=0.){ vec4 A=texture(texA,vec3(uv,layer)), B=texture(texB,vec3(uv,layer)); a=pow(mix(A.rgb,A.rgb*pal[6].rgb,A.a),vec3(2.2));
    glass=B.r; gloss=B.g; head=B.b; tail=B.a; }
  else { a=pow(pal[s].rgb,vec3(2.2)); gloss=pal[s].a; head=s==13?1.:0.; tail=s==14?1.:0.; }
  float grime=dirt*(.5+.5*fbm(loc.xz*3.+loc.y))*smoothstep(1.1,.1,loc.z); a=mix(a,vec3(.16,.13,.10),grime*.55*(1.-glass));
  gloss*=1.-.6*grime;
  float ao=mix(.42,1.,smoothstep(-.1,.75,loc.z))*(.8+.2*smoothstep(-.6,.3,n.z));
  float ndl=max(dot(n,sunDir),0.), vis=0.;
  if(mirror>.5) vis=1.; else if(ndl>0.) { vec3 q=pos+n*.05; vis=min(shadow(staticMap,q,.0007,.0006,8,gl_FragCoord.xy),shadow(dynMap,q,.0010,.0004,8,gl_FragCoord.xy)); }
  vec3 sun=sunCol*sunScale*vis;
  vec3 c=a*(1.-.92*glass)*(ambient(n)*ao+lamps(pos,n)+sun*ndl);
  vec3 r=reflect(-v,n); float cosv=max(dot(n,v),0.); float F=mix(.04,.09,glass); F+=(1.-F)*pow(1.-cosv,5.)*.85;
  vec3 hv=normalize(v+sunDir); float sharp=mix(12.,260.,gloss);
  c+=gloss*F*env(r)*ao + sun*ndl*F*gloss*(sharp+8.)/25.*pow(max(dot(n,hv),0.),sharp);
  if(glass>.01) c+=glass*vec3(.012,.014,.016);
  float beam=.04+.96*pow(max(dot(fwd,v),0.),3.);
  c+=head*headOn*beam*vec3(1.,.93,.80)*26.+head*.10*ambient(n);
  c+=tail*max(tailOn*.5,brake)*vec3(1.,.05,.03)*4.5*(.25+.75*max(-dot(fwd,v),0.));
  o=vec4(mirror>.5?c:haze(c,dist),1); oId=id; }"""

DEPTH_FS = "#version 330\nvoid main(){}"
TILE_FS = "#version 330\nout vec4 o; void main(){ o=vec4(1); }"

# decals on the road: soft contact shadow (kind 0, multiplies) and head lamp pool (kind 1, adds)
DECAL_VS = """#version 330
in vec2 in_pos; uniform mat4 vp, model; out vec2 q; out vec3 pos; void main(){ q=in_pos; vec4 w=model*vec4(in_pos,0,1); pos=w.xyz; gl_Position=vp*w; }"""
DECAL_FS = """#version 330
in vec2 q; in vec3 pos; uniform int kind; uniform vec2 soft; uniform vec3 colour; uniform vec3 camPos; uniform float hazeDensity; out vec4 o;
void main(){ if(kind==0){ vec2 e=smoothstep(vec2(1),1.-soft,abs(q)); o=vec4(vec3(1.-colour.r*e.x*e.y),1); }
  else { float x=q.x*.5+.5; float w=.25+.75*x; float b=exp(-q.y*q.y/(w*w)*5.)*smoothstep(0.,.12,x)*pow(1.-x,1.6);
    o=vec4(colour*b*exp(-length(pos-camPos)*hazeDensity),1); } }"""

RESOLVE_FS = """#version 330
in vec2 uv; uniform sampler2D src; uniform vec2 texel; out vec4 o;
void main(){ vec3 s=vec3(0); for(int y=-1;y<=1;y++) for(int x=-1;x<=1;x++){ float w=(x==0?2.:1.)*(y==0?2.:1.);
   s+=w*min(texture(src,uv+vec2(x,y)*texel*1.05).rgb,vec3(40)); } o=vec4(s/16.,1); }"""
